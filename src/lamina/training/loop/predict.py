"""Prediction: the outputs over data, on the host; the device computes ahead of the copying."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core.base.processes import to_host
from lamina.core.base.pytrees import flatten, leaves_of, unflatten
from lamina.errors import InputError, explain
from lamina.training.callbacks.callback_list import CallbackList
from lamina.training.callbacks.progress import PassProgress
from lamina.training.data.arrays import Arrays
from lamina.training.data.batches import iterate, unpack
from lamina.training.data.passes import warn_of_few_batches
from lamina.training.data.prefetch import Prefetched, to_device

__all__ = ["predict"]

_EVENTS = ("on_predict_batch_begin", "on_predict_batch_end")
_AHEAD = 2  # batches that the device computes before the first is copied


def predict(
    call: Callable[[Any], Any],
    data: Any,
    batch_size: int | None,
    steps: int | None,
    callbacks: CallbackList | None = None,
    each: int = 1,
    progress: PassProgress | None = None,
) -> Any:
    """Return the concatenated outputs of all batches, as NumPy arrays.

    Args:
        call: returns the outputs for the inputs of a batch.
        data: :class:`Arrays`, or a source of batches, of which only the inputs are used.
        batch_size: examples in a batch of arrays; the last batch may be smaller. None for
            :meth:`Arrays.batch_size`.
        steps: the largest number of batches; None for all.
        callbacks: called before and after each batch, or each `each` batches.
        each: the number of batches between two calls of a method of callbacks. Default 1.
        progress: of this prediction, which counts the batches; None (default) for none.

    Raises:
        InputError: there is no batch, or an output has no row for each example.
    """
    if isinstance(data, Arrays):
        batches = _from_rows(data, data.batch_size(batch_size, steps))
    else:
        batches = _from_source(data, steps)
    handled = callbacks is not None and callbacks.handles(*_EVENTS)
    events = _BatchEvents(callbacks, each) if callbacks is not None and handled else None
    collected, passed = _Outputs(), 0
    waiting: deque[tuple[Any, int]] = deque()
    for inputs, count in itertools.islice(batches, steps):
        if events is not None:
            events.begin(passed)
        passed += 1
        outputs = call(inputs)
        if events is not None:
            events.end(passed, outputs)
        waiting.append((outputs, count))
        if len(waiting) > _AHEAD:
            collected.add(*waiting.popleft())
        if progress is not None:
            progress.advance(1, dict)
        if events is not None and events.ended:
            steps = None
            break
    if events is not None:
        events.close()
    for outputs in waiting:
        collected.add(*outputs)
    if steps is not None and 0 < passed < steps:
        warn_of_few_batches(steps, passed)
    return collected.concatenated()


class _BatchEvents:
    """The calls of callbacks for the batches of one prediction.

    Args:
        callbacks: to call.
        each: the number of batches between two calls of a method.
    """

    def __init__(self, callbacks: CallbackList, each: int) -> None:
        self._callbacks = callbacks
        self._each = each
        self._first = 0
        self._outputs: list[Any] = []
        callbacks.model.stop_predicting = False

    @property
    def ended(self) -> bool:
        return self._callbacks.model.stop_predicting

    def begin(self, number: int) -> None:
        if not self._outputs:
            self._first = number
            self._callbacks.on_predict_batch_begin(number)

    def end(self, done: int, outputs: Any) -> None:
        self._outputs.append(outputs)
        if done == self._first + self._each:
            self.close()

    def close(self) -> None:
        """Call `on_predict_batch_end` with all outputs since the last call, if there are any.

        As in Keras, its number is that of a whole group, also where the data end within a group.
        """
        parts, self._outputs = self._outputs, []
        if parts:
            whole = parts[0] if len(parts) == 1 else _concatenated(parts)
            self._callbacks.on_predict_batch_end(self._first + self._each - 1, {"outputs": whole})


def _concatenated(parts: list[Any]) -> Any:
    """Concatenate trees of arrays, leaf by leaf."""
    structure = flatten(parts[0])[1]
    leaves = zip(*map(leaves_of, parts), strict=True)
    return unflatten(structure, [jnp.concatenate(arrays) for arrays in leaves])


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
        self._batches.append([to_host(leaf)[:count] for leaf in leaves])

    def concatenated(self) -> Any:
        if not self._batches:
            raise InputError(
                explain("There is no batch to predict from.", remedy="Pass at least one example.")
            )
        arrays = [np.concatenate(parts) for parts in zip(*self._batches, strict=True)]
        return unflatten(self._structure, arrays)


def _from_source(source: Any, steps: int | None) -> Iterator[tuple[Any, int]]:
    """Yield the inputs of batches, and the number of examples in each."""
    taken = itertools.islice(iterate(source), steps)
    batches = Prefetched(taken, lambda batch: to_device(unpack(batch)[0]))
    try:
        for inputs in batches:
            sizes = [leaf.shape[0] for leaf in leaves_of(inputs) if np.ndim(leaf)]
            yield inputs, sizes[0] if sizes else 1
    finally:
        batches.close()


def _from_rows(data: Arrays, size: int) -> Iterator[tuple[Any, int]]:
    """Yield the inputs of batches of `size` examples, and the number of examples in each."""
    for start in range(0, data.count, size):
        stop = min(start + size, data.count)
        yield data.batch(slice(start, stop)), stop - start
