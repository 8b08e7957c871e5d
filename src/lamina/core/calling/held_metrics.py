"""The metrics that layers hold as attributes."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

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


def _is_container(value: Any) -> bool:
    return isinstance(value, list | tuple | dict)


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _is_metric(value: Any) -> bool:
    return isinstance(value, _Metric) and not isinstance(value, type | Tracked)


def metrics(layer: Tracked) -> list[Any]:
    """The metrics that the layer and those below hold: as attributes, in lists and in dicts."""
    found: dict[int, Any] = {}
    for _, one in walk(layer).layers.values():
        pending: list[Any] = list(attributes(one).values())[::-1]
        seen: set[int] = set()
        while pending:
            value: Any = pending.pop()
            if _is_container(value):
                if id(value) not in seen:
                    inside = value.values() if _is_dict(value) else value
                    pending += list(inside)[::-1]
                seen.add(id(value))
            elif _is_metric(value):
                found.setdefault(id(value), value)
    return list(found.values())


def metrics_variables(layer: Tracked) -> list[Any]:
    """The accumulators that the metrics hold, as variables."""
    return [one for metric in metrics(layer) for one in getattr(metric, "variables", ())]
