"""Metrics in training: each bound to an output of the model and to a name in the logs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

from lamina import metrics
from lamina.errors import InputError, explain
from lamina.metrics import Metric, MetricLike
from lamina.training.step.outputs import Output, element_weights

__all__ = ["BoundMetric", "MetricsArgument", "bind_metrics"]

MetricsArgument: TypeAlias = MetricLike | Mapping[str, Any] | Sequence[Any] | None
"""The argument `metrics` of `compile`: metrics in a list, or by output name."""


@dataclass(frozen=True)
class BoundMetric:
    """A metric of one output.

    Attributes:
        metric: the metric.
        name: in the logs.
        output: the name of the output; None for the only one.
        weighted: whether sample weights are used.
    """

    metric: Metric
    name: str
    output: str | None
    weighted: bool

    def inputs(self, outputs: list[Output]) -> tuple[Any, Any, Any]:
        """Return the labels, values and sample weights for the metric.

        Raises:
            InputError: the output does not exist or has no labels, or none of several is named.
        """
        named = {output.name: output for output in outputs}
        found = named.get("") or named.get(self.output or "")
        if found is None or found.labels is None:
            labelled = {name: ["..."] for name, one in named.items() if one.labels is not None}
            raise InputError(
                explain(
                    f"The metric {self.metric.name!r} does not fit the outputs of the model.",
                    expected=f"metrics by output: {labelled}",
                    received="a metric without an output"
                    if self.output is None
                    else f"{self.output!r}, which does not exist or has no labels",
                    remedy="Give metrics as a dict by the names of outputs.",
                )
            )
        weights = element_weights(found, found.weights if self.weighted else None)
        return found.labels, found.values, weights


def bind_metrics(plain: Any, weighted: Any, outputs: Sequence[str] | None) -> list[BoundMetric]:
    """Bind metrics to outputs and give each a unique name.

    As in Keras, the second metric of a name is called ``weighted_name`` if sample weights are used
    in it, else ``name_1``, and so on.

    Args:
        plain: a list of names, metrics or functions; for several outputs a dict by name, or a list
            with one metric or a list of metrics for each output.
        weighted: the same, for metrics that use sample weights.
        outputs: the names of several outputs, or None if unknown.

    Raises:
        InputError: a metric is called ``loss``, or the outputs of the metrics are ambiguous.
    """
    bound: dict[str, BoundMetric] = {}
    for one in (*_bind(plain, False, outputs), *_bind(weighted, True, outputs)):
        if one.name == "loss":
            raise InputError(
                explain(
                    "A metric has the name 'loss', which the loss has.",
                    expected="another name",
                    received=repr(one.metric),
                    remedy="Rename it: lamina.metrics.Accuracy(name='other').",
                )
            )
        name = next(name for name in _candidate_names(one) if name not in bound)
        bound[name] = replace(one, name=name)
    return list(bound.values())


def _candidate_names(one: BoundMetric) -> Iterator[str]:
    """Yield names for a metric in the order of preference."""
    yield one.name
    base = one.name
    if one.weighted:
        prefix = f"{one.output}_" if one.output else ""
        base = f"{prefix}weighted_{one.metric.name}"
        yield base
    yield from (f"{base}_{number}" for number in itertools.count(1))


def _bind(values: Any, weighted: bool, outputs: Sequence[str] | None) -> list[BoundMetric]:
    if values is None:
        return []
    if isinstance(values, Mapping):
        items = list(cast(Mapping[str, Any], values).items())
    elif outputs is not None and len(outputs) > 1 and values:
        listed = _as_list(values)
        if len(listed) != len(outputs):
            raise InputError(
                explain(
                    "The metrics do not say which output each is for.",
                    expected=f"a dict by name, or a list for {', '.join(outputs)}",
                    received=f"a list of {len(listed)}",
                    remedy=f"Give a dict: {{{outputs[0]!r}: [...]}}.",
                )
            )
        items = list(zip(outputs, listed, strict=True))
    else:
        listed = _as_list(values)
        only = listed[0] if len(listed) == 1 else listed  # [[...]]: the list of the only output
        items = [(None, _as_list(only))]
    return [
        BoundMetric(metric, f"{output}_{metric.name}" if output else metric.name, output, weighted)
        for output, ones in items
        for metric in (metrics.get(one) for one in _as_list(ones))
    ]


def _as_list(values: Any) -> list[Any]:
    if values is None:
        return []
    return list(cast(Sequence[Any], values)) if isinstance(values, list | tuple) else [values]
