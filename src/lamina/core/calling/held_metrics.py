"""The metrics that layers hold as attributes."""

from __future__ import annotations

from typing import Any, Protocol, cast, runtime_checkable

from lamina.core.tree.node import Tracked, attributes
from lamina.core.tree.walk import walk

__all__ = ["metrics", "metrics_variables"]


@runtime_checkable
class _Metric(Protocol):
    """An accumulator of a value over batches, such as a `lamina.metrics.Metric`."""

    name: Any

    def init(self) -> Any: ...

    def update(self, *args: Any) -> Any: ...

    def result(self, *args: Any) -> Any: ...


def metrics(layer: Tracked) -> list[Any]:
    """The metrics that the layer and those below hold: as attributes, in lists and in dicts."""
    found: dict[int, Any] = {}
    for _, one in walk(layer).layers.values():
        pending: list[Any] = list(attributes(one).values())[::-1]
        seen: set[int] = set()
        while pending:
            value = pending.pop()
            if isinstance(value, list | tuple | dict) and id(value) not in seen:
                seen.add(id(value))
                inside = cast(Any, value)
                pending += list(inside.values() if isinstance(value, dict) else inside)[::-1]
            elif isinstance(value, _Metric) and not isinstance(value, type | Tracked):
                found.setdefault(id(value), value)
    return list(found.values())


def metrics_variables(layer: Tracked) -> list[Any]:
    """The accumulators of the metrics that hold them; those of `lamina.metrics` hold none."""
    return [one for metric in metrics(layer) for one in getattr(metric, "variables", ())]
