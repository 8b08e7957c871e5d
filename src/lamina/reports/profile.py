"""The profile report: parameters, operations, memory traffic and time of each layer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import RenderableType
from rich.text import Text

from lamina.reports.formatting import scaled
from lamina.reports.printing import line, table
from lamina.reports.report import Report

__all__ = ["Cost", "Profile"]

_BAR = 40  # width of the longest bar, in columns


@dataclass(frozen=True)
class Cost:
    """The cost of one layer, its sublayers included.

    Attributes:
        path: the path of the layer; empty for the model.
        kind: the name of its class.
        calls: the number of times that one call of the model calls the layer.
        params: the number of parameters.
        flops: the number of floating-point operations of one call, counted by XLA.
        bytes: the number of bytes that one call reads and writes, counted by XLA.
        seconds: the time of one call of the layer compiled alone, the median of several.
        leaf: whether the layer has no sublayers.
    """

    path: str
    kind: str
    calls: int
    params: int
    flops: float
    bytes: float
    seconds: float
    leaf: bool


@dataclass(frozen=True, repr=False)
class Profile(Report):
    """The costs of a model and its layers; ``profile["path"]`` is that of one layer.

    Attributes:
        costs: the cost of the model, then those of its layers in the order of the tree.
    """

    costs: tuple[Cost, ...]

    def __getitem__(self, path: str) -> Cost:
        return next(cost for cost in self.costs if cost.path == path)

    def to_json(self) -> str:
        """Encode the costs as JSON.

        Returns:
            A list of objects with the attributes of :class:`Cost`.
        """
        return json.dumps([asdict(cost) for cost in self.costs])

    def _title(self) -> str:
        return self.costs[0].kind

    def _page(self) -> Sequence[RenderableType]:
        names = ("calls", "params", "FLOPs", "bytes", "time")
        made = table("layer", "class", *names, numbers=names)
        for cost in self.costs:
            made.add_row(
                cost.path or "(all)",
                cost.kind,
                f"{cost.calls:,}",
                f"{cost.params:,}",
                scaled(cost.flops),
                scaled(cost.bytes, "B"),
                _time(cost.seconds),
                style=None if cost.leaf else "dim",
            )
        return [made, Text(""), *self._chart()]

    def _chart(self) -> list[Text]:
        """Draw a bar for the time of each layer without sublayers, the longest first."""
        leaves = [cost for cost in self.costs if cost.leaf]
        leaves.sort(key=lambda cost: -cost.seconds * cost.calls)
        most = max((cost.seconds * cost.calls for cost in leaves), default=0.0)
        wide = max((len(cost.path) for cost in leaves), default=0)
        return [
            line(
                f"{cost.path or '(all)':<{wide}}  ",
                ("#" * max(1, round(_BAR * cost.seconds * cost.calls / (most or 1.0))), "cyan"),
                f" {_time(cost.seconds * cost.calls)}",
            )
            for cost in leaves
        ]


def _time(seconds: float) -> str:
    """Format a time in s, ms or us.

    >>> _time(0.0123), _time(4.56e-5)
    ('12.3 ms', '45.6 us')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 1e-6:.1f} us"
