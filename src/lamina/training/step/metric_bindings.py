"""Metrics in training: each bound to an output of the model and to a name in the logs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

from lamina.errors import InputError, explain
from lamina.metrics import Metric, MetricLike
from lamina.metrics.lookup import metric_of
from lamina.training.step.output_structure import Place, by_output, places_of
from lamina.training.step.outputs import Output, element_weights

__all__ = ["BoundMetric", "MetricsArgument", "bind_metrics", "check_names", "resolved"]

MetricsArgument: TypeAlias = MetricLike | Mapping[str, Any] | Sequence[Any] | None
"""The argument `metrics` of `compile`: metrics in a list, or by output name."""


@dataclass(frozen=True)
class BoundMetric:
    """A metric of one output.

    Attributes:
        metric: the metric.
        name: in the logs.
        output: the index of the output.
        prefix: the name of the output in the logs; empty for the only one.
        weighted: whether sample weights are used.
    """

    metric: Metric
    name: str
    output: int
    prefix: str
    weighted: bool

    def inputs(self, outputs: list[Output]) -> tuple[Any, Any, Any]:
        """Return the labels, values and sample weights for the metric.

        Raises:
            InputError: the output has no labels.
        """
        found = outputs[self.output]
        if found.labels is None:
            labelled = {one.name: ["..."] for one in outputs if one.labels is not None}
            raise InputError(
                explain(
                    f"The metric {self.metric.name!r} does not match the outputs of the model.",
                    expected=f"metrics by output: {labelled}",
                    received=f"{found.name!r}, which has no labels",
                    remedy="Pass a dict from the names of outputs to metrics.",
                )
            )
        weights = element_weights(found, found.weights if self.weighted else None)
        return found.labels, found.values, weights


def resolved(values: Any) -> Any:
    """Resolve a metrics argument of `compile`: names, functions and losses become metrics."""
    if isinstance(values, Mapping):
        items = cast(Mapping[str, Any], values).items()
        return {key: resolved(one) for key, one in items}
    if isinstance(values, list | tuple):
        return [resolved(one) for one in cast(Sequence[Any], values)]
    return None if values is None else metric_of(values)


def bind_metrics(plain: Any, weighted: Any, outputs: Any, names: Any = None) -> list[BoundMetric]:
    """Bind metrics to outputs and give each a unique name.

    As in Keras, the second metric of a name is called ``weighted_name`` if sample weights are used
    in it, else ``name_1``, and so on; those of several outputs are sorted.

    Args:
        plain: metrics, as :func:`resolved` returns them: of the only output in any form; of several
            in their structure, or in a list in their order, or in a dict by name.
        weighted: the same, for metrics that use sample weights.
        outputs: the outputs, or placeholders in their structure.
        names: the names of the outputs, in their structure; None if unknown.

    Raises:
        InputError: the outputs of the metrics are ambiguous.
    """
    bound: dict[str, BoundMetric] = {}
    pairs = ((plain, False), (weighted, True))
    for one in (one for values, w in pairs for one in _bind(values, w, outputs, names)):
        name = next(name for name in _candidate_names(one) if name not in bound)
        bound[name] = replace(one, name=name)
    several = any(one.prefix for one in bound.values())
    return [bound[name] for name in (sorted(bound) if several else bound)]


def check_names(bound: Iterable[BoundMetric]) -> None:
    """Check that no metric has the name of the loss.

    Raises:
        InputError: a metric is called ``loss``.
    """
    for one in bound:
        if one.name == "loss":
            raise InputError(
                explain(
                    "A metric is named 'loss', which is the name of the loss.",
                    expected="another name",
                    received=repr(one.metric),
                    remedy="Rename it: lamina.metrics.Accuracy(name='other').",
                )
            )


def _candidate_names(one: BoundMetric) -> Iterator[str]:
    """Yield names for a metric in the order of preference."""
    yield one.name
    base = one.name
    if one.weighted:
        base = f"{one.prefix}weighted_{one.metric.name}"
        yield base
    yield from (f"{base}_{number}" for number in itertools.count(1))


def _bind(values: Any, weighted: bool, outputs: Any, names: Any) -> list[BoundMetric]:
    if not values:
        return []
    places = places_of(outputs, names)
    if len(places) == 1:
        return [BoundMetric(metric, metric.name, 0, "", weighted) for metric in _metrics_in(values)]
    flat = all(len(place.path) == 1 for place in places)
    by_index = by_output("metrics", values, outputs, names)
    return [
        BoundMetric(metric, f"{prefix}{metric.name}", index, prefix, weighted)
        for index, (place, ones) in enumerate(zip(places, by_index, strict=True))
        for prefix in (_prefix(place, flat),)
        for metric in _metrics_in(ones)
    ]


def _prefix(place: Place, flat: bool) -> str:
    """Return the name of one of several outputs in the logs of metrics: its key, or its layer."""
    if flat and isinstance(place.path[0], str):
        return f"{place.key}_"
    return "" if place.own is None else f"{place.own}_"


def _metrics_in(values: Any) -> list[Metric]:
    """Return the metrics in nested lists and dicts, in order."""
    if isinstance(values, Mapping):
        items = cast(Mapping[str, Any], values)
        return [metric for key in sorted(items) for metric in _metrics_in(items[key])]
    if isinstance(values, list):
        return [metric for one in cast(list[Any], values) for metric in _metrics_in(one)]
    return [] if values is None else [values]
