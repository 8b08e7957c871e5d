"""The blocks of an array that the devices of this process hold, made from ranges of its elements.

No whole array is made unless a device holds one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import jax
import numpy as np

from lamina.core.base import host_memory

__all__ = ["Elements", "blocks", "sharded"]

Elements = Callable[[int, int], np.ndarray]
"""``(start, stop) -> values``, flat, of the elements in a range of an array in C order."""

Bounds = tuple[tuple[int, int], ...]
"""The first index and the index after the last, on each axis."""

_JOINED = 1 << 24  # most elements of neighbouring ranges that are made at a time
_CHUNK = 1 << 18  # elements that are made at a time for blocks which are no range of the array
_GAP = (
    1 << 10
)  # elements of a row that are made, though no block needs them, to make many rows at once


def sharded(
    shape: tuple[int, ...], dtype: Any, sharding: jax.sharding.Sharding, elements: Elements
) -> jax.Array:
    """Make an array on several devices; the values of each block are made on the host.

    Args:
        shape: of the whole array.
        dtype: of the array.
        sharding: which divides the shape.
        elements: the values of a range of the array.

    >>> mesh = jax.sharding.Mesh(jax.devices()[:1], ("data",))
    >>> place = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    >>> sharded((2, 2), "int32", place, lambda start, stop: np.arange(start, stop)).tolist()
    [[0, 1], [2, 3]]
    """
    indices: dict[Any, Any] = cast(Any, sharding).addressable_devices_indices_map(shape)
    wanted = [_bounds(index, shape) for index in indices.values()]
    made = blocks(shape, dtype, wanted, elements)

    def block(index: Any) -> np.ndarray:
        return made[_bounds(index, shape)]

    return jax.make_array_from_callback(shape, sharding, block, dtype=dtype)


def blocks(
    shape: tuple[int, ...], dtype: Any, wanted: Iterable[Bounds], elements: Elements
) -> dict[Bounds, np.ndarray]:
    """Return blocks of an array by their bounds.

    Blocks that are neighbouring ranges of the array are made as one range, so that several threads
    can draw it. The others are filled from chunks of rows, or of parts of rows, each of which is
    made once for all of them.

    >>> both = blocks((2, 4), "int32", [((0, 2), (1, 3))], lambda a, b: np.arange(a, b))
    >>> both[(0, 2), (1, 3)].tolist()
    [[1, 2], [5, 6]]
    """
    made: dict[Bounds, np.ndarray] = {}
    rest: dict[Bounds, np.ndarray] = {}
    ranges: dict[tuple[int, int], Bounds] = {}
    for bounds in wanted:
        if bounds in made:
            continue
        sizes = tuple(stop - start for start, stop in bounds)
        span = _span(bounds, shape)
        if 0 in sizes:
            made[bounds] = host_memory.empty(sizes, dtype)
        elif span is None:
            made[bounds] = rest[bounds] = host_memory.empty(sizes, dtype)
        else:
            ranges[span] = bounds
    for group in _neighbours(sorted(ranges), np.dtype(dtype).itemsize):
        first = group[0][0]
        values = elements(first, group[-1][1]).astype(dtype, copy=False)
        for start, stop in group:
            bounds = ranges[start, stop]
            sizes = [after - before for before, after in bounds]
            made[bounds] = values[start - first : stop - first].reshape(sizes)
    if rest:
        _fill(shape, rest, elements)
    return made


def _neighbours(spans: list[tuple[int, int]], itemsize: int) -> list[list[tuple[int, int]]]:
    """Group sorted ranges that follow each other, if JAX can use each part without a copy."""
    groups: list[list[tuple[int, int]]] = []
    for start, stop in spans:
        first = groups[-1][0][0] if groups and groups[-1][-1][1] == start else None
        is_aligned = first is not None and (start - first) * itemsize % host_memory.ALIGNMENT == 0
        if first is not None and is_aligned and stop - first <= _JOINED:
            groups[-1].append((start, stop))
        else:
            groups.append([(start, stop)])
    return groups


def _bounds(index: tuple[slice, ...] | None, shape: tuple[int, ...]) -> Bounds:
    whole = (slice(None),) * len(shape) if index is None else index
    return tuple(one.indices(size)[:2] for one, size in zip(whole, shape, strict=True))


def _span(bounds: Bounds, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the range of elements that a block consists of; None if it is no range."""
    sizes = [stop - start for start, stop in bounds]
    partial = [axis for axis, size in enumerate(sizes) if size < shape[axis]]
    if partial and any(size != 1 for size in sizes[: partial[-1]]):
        return None
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    first = sum(start * stride for (start, _), stride in zip(bounds, strides, strict=True))
    return first, first + math.prod(sizes)


def _fill(shape: tuple[int, ...], targets: dict[Bounds, np.ndarray], elements: Elements) -> None:
    """Fill blocks from rows, of which only the part between the first and the last block is made.

    A row consists of the last axis that is divided, and of all axes after it.
    """
    axis = max(n for bounds in targets for n, one in enumerate(bounds) if one != (0, shape[n]))
    stride = math.prod(shape[axis + 1 :])
    row = shape[axis] * stride
    parts = {bounds: slice(*(index * stride for index in bounds[axis])) for bounds in targets}
    first, stop = min(one.start for one in parts.values()), max(one.stop for one in parts.values())
    if row - (stop - first) < _GAP:
        first, stop = 0, row
    count = math.prod(shape[:axis])
    for left in range(first, stop, _CHUNK):
        right = min(left + _CHUNK, stop)
        step = max(1, _CHUNK // (right - left))
        for top in range(0, count, step):
            numbers = np.arange(top, min(top + step, count))
            places = np.unravel_index(numbers, shape[:axis])
            inside = {bounds: _inside(places, bounds) for bounds in targets}
            needed: list[int] = np.flatnonzero(np.logical_or.reduce([*inside.values()])).tolist()
            if not needed:
                continue
            begin, end = needed[0], needed[-1] + 1
            if right - left == row:
                made = elements((top + begin) * row, (top + end) * row)
                chunk = made.reshape(end - begin, row)
            else:
                chunk = np.empty((end - begin, right - left), next(iter(targets.values())).dtype)
                for n in needed:
                    start = (top + n) * row
                    chunk[n - begin] = elements(start + left, start + right)
            for bounds, target in targets.items():
                rows = np.flatnonzero(inside[bounds])
                part = parts[bounds]
                low, high = max(part.start, left), min(part.stop, right)
                if not len(rows) or low >= high:
                    continue
                at = [p[rows] - start for p, (start, _) in zip(places, bounds, strict=False)]
                flat = target.reshape(*target.shape[:axis], -1)
                into = slice(low - part.start, high - part.start)
                flat[(*at, into)] = chunk[rows - begin, low - left : high - left]


def _inside(places: Sequence[np.ndarray], bounds: Bounds) -> np.ndarray:
    """Return which rows a block has a part of, by their places on the axes before."""
    tests = [(p >= start) & (p < stop) for p, (start, stop) in zip(places, bounds, strict=False)]
    return np.logical_and.reduce(tests)
