"""Prediction: outputs over data, in one pass, the device a batch ahead of what is gathered."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lamina.core.base.inputs import as_inputs
from lamina.core.base.pytrees import flatten, leaves_of, map_tree, unflatten
from lamina.errors import InputError, explain
from lamina.training.data.arrays import Arrays, batches_of, check_integers, is_batches
from lamina.training.data.prefetch import Prefetched, on_device
from lamina.training.step.objective import unpack

__all__ = ["predict"]

_AHEAD = 2  # batches that the device is given before the first is waited for


def predict(call: Callable[[Any], Any], x: Any, batch_size: int, steps: int | None) -> Any:
    """The outputs of all batches in one, as NumPy arrays.

    Args:
        call: gives the outputs of a batch of inputs.
        x: arrays of examples, or what gives batches, of which the inputs are taken.
        batch_size: examples a batch, where x is arrays.
        steps: batches at most.

    Raises:
        InputError: there is no batch, an output has no row for each example, or the data have
            integers that JAX cannot keep.
    """
    batches = is_batches(x)
    if not batches:
        check_integers(x, "x")
    found = _on_batches(call, x) if batches else _on_rows(call, Arrays(x), batch_size)
    gathered = _Gathered()
    waiting: deque[tuple[Any, int]] = deque()
    for outputs in itertools.islice(found, steps):
        waiting.append(outputs)
        if len(waiting) > _AHEAD:
            gathered.add(*waiting.popleft())
    for outputs in waiting:
        gathered.add(*outputs)
    return gathered.all()


class _Gathered:
    """Outputs on the host, batch by batch."""

    def __init__(self) -> None:
        self._columns: list[list[np.ndarray]] = []
        self._structure: Any = None

    def add(self, outputs: Any, count: int) -> None:
        leaves, self._structure = flatten(outputs)
        for leaf in leaves:
            if np.ndim(leaf) == 0 or leaf.shape[0] < count:
                raise InputError(
                    explain(
                        "An output of the model has no row for each example.",
                        expected=f"{count} rows, for a batch of {count}",
                        received=f"an array of shape {np.shape(leaf)}",
                        remedy="Call the model itself, or lamina.jit(model).",
                    )
                )
        self._columns.append([np.asarray(leaf)[:count] for leaf in leaves])

    def all(self) -> Any:
        if not self._columns:
            raise InputError(explain("There is nothing to predict from.", remedy="Give data."))
        rows = [np.concatenate(parts) for parts in zip(*self._columns, strict=True)]
        return unflatten(self._structure, rows)


def _on_batches(call: Callable[[Any], Any], source: Any) -> Iterator[tuple[Any, int]]:
    batches = Prefetched(batches_of(source), lambda batch: on_device(unpack(batch)[0]))
    try:
        for inputs in batches:
            sizes = [leaf.shape[0] for leaf in leaves_of(inputs) if np.ndim(leaf)]
            yield call(inputs), sizes[0] if sizes else 1
    finally:
        batches.close()


def _on_rows(call: Callable[[Any], Any], data: Arrays, size: int) -> Iterator[tuple[Any, int]]:
    whole = data.count - data.count % size
    for at in range(0, whole, size):
        yield call(_rows(data, slice(at, at + size))), size
    if data.count > whole:
        yield _last(call, data, size, whole), data.count - whole


def _last(call: Callable[[Any], Any], data: Arrays, size: int, start: int) -> Any:
    """The outputs of the short last batch: filled up, so that the one program serves it too.

    A model that looks across the batch would see what it is filled up with. So it is, once with
    the last row and once with the first; where that shows, the batch is given as it is.
    """
    count = data.count - start
    if start == 0:
        return call(_rows(data, slice(0, count)))
    lacking = size - count
    both: list[Any] = []
    for fill in (data.count - 1, 0):
        rows = np.concatenate([np.arange(start, data.count), np.repeat(fill, lacking)])
        both.append(call(_rows(data, rows)))
    one, other = ([np.asarray(leaf) for leaf in leaves_of(outputs)] for outputs in both)
    alike = all(_same(a, b, count) for a, b in zip(one, other, strict=True))
    return both[0] if alike else call(_rows(data, slice(start, data.count)))


def _same(one: np.ndarray, other: np.ndarray, count: int) -> bool:
    return one[:count].tobytes() == other[:count].tobytes() if one.ndim else False


def _rows(data: Arrays, rows: Any) -> Any:
    return as_inputs(map_tree(lambda array: array[rows], data.host))
