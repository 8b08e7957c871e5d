"""Prediction: the outputs over data, on the host; the device computes ahead of the copying."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lamina.core.base.pytrees import flatten, leaves_of, unflatten
from lamina.errors import InputError, explain
from lamina.training.data.arrays import Arrays, check_integers
from lamina.training.data.batches import is_batch_source, iterate, unpack
from lamina.training.data.passes import warn_of_few_batches
from lamina.training.data.prefetch import Prefetched, to_device

__all__ = ["predict"]

_AHEAD = 2  # batches that the device computes before the first is copied


def predict(call: Callable[[Any], Any], x: Any, batch_size: int | None, steps: int | None) -> Any:
    """Return the concatenated outputs of all batches, as NumPy arrays.

    Args:
        call: returns the outputs for the inputs of a batch.
        x: arrays of examples, or a source of batches, of which only the inputs are used.
        batch_size: examples in a batch of arrays; the last batch may be smaller. None for
            :meth:`Arrays.batch_size`.
        steps: the largest number of batches; None for all.

    Raises:
        InputError: there is no batch, an output has no row for each example, or JAX cannot
            represent an integer of the data.
    """
    from_source = is_batch_source(x)
    if from_source:
        computed = _from_batches(call, x, steps)
    else:
        check_integers(x, "x")
        data = Arrays(x)
        computed = _from_rows(call, data, data.batch_size(batch_size, steps))
    collected, count = _Outputs(), 0
    waiting: deque[tuple[Any, int]] = deque()
    for outputs in itertools.islice(computed, steps):
        count += 1
        waiting.append(outputs)
        if len(waiting) > _AHEAD:
            collected.add(*waiting.popleft())
    for outputs in waiting:
        collected.add(*outputs)
    if steps is not None and 0 < count < steps:
        warn_of_few_batches(steps, count)
    return collected.concatenated()


class _Outputs:
    """Outputs on the host, batch by batch."""

    def __init__(self) -> None:
        self._batches: list[list[np.ndarray]] = []
        self._structure: Any = None

    def add(self, outputs: Any, count: int) -> None:
        """Copy the outputs of a batch of `count` examples to the host."""
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
        self._batches.append([np.asarray(leaf)[:count] for leaf in leaves])

    def concatenated(self) -> Any:
        if not self._batches:
            raise InputError(
                explain("There is no batch to predict from.", remedy="Give at least one example.")
            )
        arrays = [np.concatenate(parts) for parts in zip(*self._batches, strict=True)]
        return unflatten(self._structure, arrays)


def _from_batches(
    call: Callable[[Any], Any], source: Any, steps: int | None
) -> Iterator[tuple[Any, int]]:
    taken = itertools.islice(iterate(source), steps)
    batches = Prefetched(taken, lambda batch: to_device(unpack(batch)[0]))
    try:
        for inputs in batches:
            sizes = [leaf.shape[0] for leaf in leaves_of(inputs) if np.ndim(leaf)]
            yield call(inputs), sizes[0] if sizes else 1
    finally:
        batches.close()


def _from_rows(call: Callable[[Any], Any], data: Arrays, size: int) -> Iterator[tuple[Any, int]]:
    for start in range(0, data.count, size):
        stop = min(start + size, data.count)
        yield call(data.batch(slice(start, stop))), stop - start
