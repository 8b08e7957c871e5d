"""Batches of rows of similar length, with little padding.

Rows are sorted into a few buckets of fixed shapes, because each shape is compiled once. The shapes
minimize the padding of the targets, which determine most of the cost of a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamina.training import Callback

__all__ = ["Batches", "Shape", "shapes_for"]

Ids = NDArray[np.int32]

_ROWS = 8  # the number of rows of a batch is a multiple of this
_FITTING = 0.9  # fraction of a bucket's sources that fit; longer ones go to the next bucket


class Shape(NamedTuple):
    """The shape of a batch: ids per source, ids per target, rows."""

    source: int
    target: int
    rows: int


def shapes_for(
    source: Sequence[int], target: Sequence[int], batch: int, count: int = 8
) -> list[Shape]:
    """Shapes of the buckets, in increasing order.

    Args:
        source: number of ids of each source.
        target: number of ids of each target.
        batch: average number of rows per batch. All batches have a similar number of ids.
        count: maximum number of buckets. Default: 8.

    >>> shapes_for([3, 3, 9, 9], [4, 5, 8, 20], batch=8, count=2)
    [Shape(source=7, target=8, rows=8), Shape(source=9, target=20, rows=8)]
    """
    across, down = np.asarray(source), np.asarray(target)
    widths = _least_padded(down, count)
    room, low, shapes = 1, 0, list[Shape]()
    for width in widths:
        here = across[(down > low) & (down <= width)]
        room = max(room, int(np.quantile(here, _FITTING)))
        if width == widths[-1]:
            room = max(room, int(across.max()))
        rows = max(1, round(batch * down.mean() / width / _ROWS)) * _ROWS
        shapes.append(Shape(room, width, rows))
        low = width
    return shapes


def _least_padded(sizes: NDArray[Any], count: int) -> list[int]:
    """At most ``count`` widths that minimize the total padding of all sizes."""
    widths, numbers = np.unique(sizes, return_counts=True)
    total = np.concatenate([[0], np.cumsum(numbers)])
    many = len(widths)
    cost = np.where(np.arange(many + 1) == 0, 0.0, np.inf)
    chosen: list[NDArray[np.intp]] = []
    for _ in range(min(count, many)):
        # Sizes from width i to width j are padded to width j.
        padded = cost[None, :-1] + widths[:, None] * (total[1:, None] - total[None, :-1])
        padded = np.where(np.tri(many, dtype=bool), padded, np.inf)
        chosen.append(padded.argmin(1))
        cost = np.concatenate([[np.inf], padded.min(1)])
    found, at = list[int](), many
    for begins in reversed(chosen):
        found.append(int(widths[at - 1]))
        at = int(begins[at - 1])
    return found[::-1]


class Batches(Callback):
    """Batches of pairs of rows of ids, in a new order in each epoch.

    It is also a callback, which restores the current epoch when training is resumed.

    Args:
        source: rows of ids.
        target: rows of ids, including start and end tokens.
        shapes: shapes of the buckets, from :func:`shapes_for`.
        seed: random seed of the order. Default: 0.
        pad: the padding id. Default: 0.

    >>> batches = Batches([[5, 6]], [[1, 7, 2]], [Shape(3, 4, 2)])
    >>> [(source.tolist(), target.tolist()) for source, target in batches]
    [([[5, 6, 0], [0, 0, 0]], [[1, 7, 2, 0], [0, 0, 0, 0]])]
    """

    def __init__(
        self,
        source: Sequence[Sequence[int]],
        target: Sequence[Sequence[int]],
        shapes: Sequence[Shape],
        seed: int = 0,
        pad: int = 0,
    ) -> None:
        self.shapes = shapes
        self.seed = seed
        self.pad = pad
        self._source, self._target = _Rows(source), _Rows(target)
        fits = np.stack([(self._source.sizes <= s) & (self._target.sizes <= t)
                         for s, t, _ in shapes])  # fmt: skip
        first = fits.argmax(0)  # the first bucket that fits
        self._members = [np.flatnonzero(first == at) for at in range(len(shapes))]
        self.tokens = int(self._target.sizes.sum()) - len(self._target.sizes)  # labels per epoch
        self._next = self._epoch = 0

    def sizes(self, share: float) -> tuple[int, int]:
        """The quantiles ``share`` of the source and target lengths."""
        sides = self._source.sizes, self._target.sizes
        source, target = (int(np.quantile(sizes, share, method="higher")) for sizes in sides)
        return source, target

    def __len__(self) -> int:
        """The number of batches per epoch."""
        pairs = zip(self._members, self.shapes, strict=True)
        return sum(-(-len(members) // shape.rows) for members, shape in pairs)

    def __iter__(self) -> Iterator[tuple[Ids, Ids]]:
        """The batches of the next epoch."""
        rng = np.random.default_rng((self.seed, self._next))
        self._next += 1
        plan = [
            (shape, part)
            for shape, members in zip(self.shapes, self._members, strict=True)
            for part in _chunks(rng.permutation(members), shape.rows)
        ]
        order: list[int] = rng.permutation(len(plan)).tolist()
        for shape, part in map(plan.__getitem__, order):
            yield (
                self._source.padded(part, (shape.rows, shape.source), self.pad),
                self._target.padded(part, (shape.rows, shape.target), self.pad),
            )

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch = epoch

    def get_state(self) -> dict[str, Any]:
        return {"epoch": self._epoch}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._next = self._epoch = int(state["epoch"])


class _Rows:
    """Rows of different lengths in one flat array."""

    def __init__(self, rows: Sequence[Sequence[int]]) -> None:
        self.sizes = np.fromiter(map(len, rows), np.int64, len(rows))
        self._ends = np.cumsum(self.sizes)
        self._flat = np.fromiter((id_ for row in rows for id_ in row), np.int32)

    def padded(self, which: NDArray[np.intp], shape: tuple[int, int], pad: int) -> Ids:
        ids = np.full(shape, pad, np.int32)
        for row, at in zip(ids, which, strict=False):
            size, end = self.sizes[at], self._ends[at]
            row[:size] = self._flat[end - size : end]
        return ids


def _chunks(members: NDArray[np.intp], size: int) -> Iterator[NDArray[np.intp]]:
    for at in range(0, len(members), size):
        yield members[at : at + size]
