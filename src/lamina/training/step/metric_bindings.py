"""Metrics in training: of which output each is, under which name it is told."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from lamina import metrics
from lamina.errors import InputError, explain
from lamina.metrics import Metric
from lamina.training.step.outputs import Output, counted

__all__ = ["Judge", "judges"]


@dataclass(frozen=True)
class Judge:
    """A metric of one output.

    Attributes:
        metric: counts.
        name: in logs.
        output: whose labels and values it counts; None where there is one output.
        weighted: whether sample weights count.
    """

    metric: Metric
    name: str
    output: str | None
    weighted: bool

    def part(self, outputs: list[Output]) -> tuple[Any, Any, Any]:
        """The labels, values and weights that the metric counts.

        Raises:
            InputError: there is no such output, or it does not say of which it is.
        """
        named = {output.name: output for output in outputs}
        found = named.get("") or named.get(self.output or "")
        if found is None or found.labels is None:
            raise InputError(
                explain(
                    f"The metric {self.metric.name!r} does not fit the outputs of the model.",
                    expected="metrics by output: "
                    + str({name: ["..."] for name, o in named.items() if o.labels is not None}),
                    received="no output said"
                    if self.output is None
                    else f"{self.output!r}, which there is not, or not with labels",
                    remedy="Give metrics as a dict by the names of outputs.",
                )
            )
        weights = counted(found, found.weights if self.weighted else None)
        return found.labels, found.values, weights


def judges(plain: Any, weighted: Any, outputs: Sequence[str] | None) -> list[Judge]:
    """The metrics that a user means: names, metrics or functions, for one output or several.

    The second of a name is called ``name_1``, or ``weighted_name`` where weights count in it, and
    so on, as in Keras.

    Args:
        plain: a list; for several outputs a dict by name, or a list with one or a list for each.
        weighted: the same, of those in which sample weights count.
        outputs: the names of several outputs, if they are known.

    Raises:
        InputError: one is called loss, or it is not said of which outputs they are.
    """
    found: dict[str, Judge] = {}
    for judge in (*_judges(plain, False, outputs), *_judges(weighted, True, outputs)):
        if judge.name == "loss":
            raise InputError(
                explain(
                    "A metric is called 'loss', as the loss is.",
                    expected="a name of its own",
                    received=repr(judge.metric),
                    remedy="Give it one: lamina.metrics.Accuracy(name='other').",
                )
            )
        name = next(name for name in _names(judge) if name not in found)
        found[name] = replace(judge, name=name)
    return list(found.values())


def _names(judge: Judge) -> Iterator[str]:
    """What a metric may be called, the best first."""
    yield judge.name
    base = judge.name
    if judge.weighted:
        prefix = f"{judge.output}_" if judge.output else ""
        base = f"{prefix}weighted_{judge.metric.name}"
        yield base
    yield from (f"{base}_{number}" for number in itertools.count(1))


def _judges(given: Any, weighted: bool, outputs: Sequence[str] | None) -> list[Judge]:
    if given is None:
        return []
    if isinstance(given, Mapping):
        items = list(cast(Mapping[str, Any], given).items())
    elif outputs is not None and len(outputs) > 1 and given:
        listed = _listed(given)
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
        listed = _listed(given)
        only = listed[0] if len(listed) == 1 else listed  # a list of one output's list
        items = [(None, _listed(only))]
    return [
        Judge(metric, f"{output}_{metric.name}" if output else metric.name, output, weighted)
        for output, ones in items
        for metric in (metrics.get(one) for one in _listed(ones))
    ]


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(cast(Sequence[Any], given)) if isinstance(given, list | tuple) else [given]
