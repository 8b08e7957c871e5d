"""Evaluation: the loss and metrics over data, without training."""

from __future__ import annotations

import functools
import itertools
import time
from typing import Any

import jax
import numpy as np

from lamina.errors import InputError
from lamina.training.callbacks.callback_list import CallbackList
from lamina.training.callbacks.device_logs import DeviceLogs
from lamina.training.callbacks.progress import PassProgress
from lamina.training.data.arrays import Arrays, batch_indices
from lamina.training.data.batches import iterate
from lamina.training.data.iterable_source import no_batches
from lamina.training.data.passes import Passes, warn_of_few_batches
from lamina.training.data.prefetch import Prefetched, to_device
from lamina.training.loop.steps_per_execution import next_steps
from lamina.training.loop.trainer import Trainer
from lamina.training.step.epoch_accumulators import Accumulators
from lamina.training.step.program import Program

__all__ = ["evaluate"]


def evaluate(
    trainer: Trainer,
    data: Any,
    batch_size: int | None,
    steps: int | None = None,
    callbacks: CallbackList | None = None,
    progress: PassProgress | None = None,
) -> dict[str, Any]:
    """Return the loss and metrics over data by name.

    Args:
        trainer: has the model, the loss and the metrics.
        data: :class:`Arrays`, or a source of batches.
        batch_size: examples in a batch of arrays; the last batch may be smaller. None for
            :meth:`Arrays.batch_size`.
        steps: the largest number of batches; None for all.
        callbacks: called before and after each batch, or each `steps_per_execution` batches; with
            such calls, that number of batches of arrays is evaluated at a time.
        progress: of this evaluation, which counts the batches; None for none.

    Raises:
        InputError: the data contain no batch.
    """
    events = _BatchEvents(trainer, callbacks, progress)
    if isinstance(data, Arrays):
        size = data.batch_size(batch_size, steps)
        program, total = _over_rows(trainer, data, size, steps, events)
    else:
        program, total = _over_batches(trainer, data, steps, events)
    events.close(program, total)
    return dict(DeviceLogs(program.logs(total)))


class _BatchEvents:
    """The calls of callbacks for the batches of one evaluation, and its progress.

    Attributes:
        are_handled: whether callbacks are called.
        each: the number of batches between two calls of a method.
        ended: whether a callback has ended the evaluation.
    """

    def __init__(
        self, trainer: Trainer, callbacks: CallbackList | None, progress: PassProgress | None
    ) -> None:
        self._model: Any = trainer.model
        self._callbacks = callbacks or CallbackList()
        self._progress = progress
        self._seconds = 0.0  # of a recent batch
        self._began = time.perf_counter()
        self._done = self._last = 0
        self.each = trainer.steps_per_execution or 1
        self.are_handled = self._callbacks.handles("on_test_batch_begin", "on_test_batch_end")
        if self.are_handled:
            self._model.stop_evaluating = False

    @property
    def ended(self) -> bool:
        return self.are_handled and self._model.stop_evaluating

    @property
    def is_displayed(self) -> bool:
        """Whether the progress is displayed during the evaluation."""
        return self._progress is not None and self._progress.live

    def next_batches(self, left: int) -> int:
        """Return how many of the remaining batches to evaluate together."""
        if self.are_handled:
            return min(self._last + self.each - self._done, left)
        return next_steps(None, self._seconds, left, None) if self.is_displayed else left

    def begin(self) -> None:
        self._began = time.perf_counter()
        if self.are_handled and self._done == self._last:
            self._callbacks.call("on_test_batch_begin", self._done, {})

    def end(self, program: Program, total: Accumulators, count: int = 1) -> None:
        self._done += count
        if self._done == self._last + self.each:
            self.close(program, total)
        if self._progress is not None:
            self._progress.advance(count, lambda: DeviceLogs(program.logs(total)))

    def end_rows(self, program: Program, total: Accumulators, count: int) -> None:
        """End batches of arrays; measure their time if the progress is displayed."""
        if self.is_displayed:
            jax.block_until_ready(total)
            self._seconds = (time.perf_counter() - self._began) / count
        self.end(program, total, count)

    def close(self, program: Program, total: Accumulators) -> None:
        """Call `on_test_batch_end`, unless it was called for this batch.

        As in Keras, its number is that of a whole group, also where the data end within a group.
        """
        if self.are_handled and self._done > self._last:
            logs = DeviceLogs(program.logs(total))
            number = self._last + self.each - 1
            self._done = self._last = number + 1
            self._callbacks.call("on_test_batch_end", number, logs)


def _over_batches(
    trainer: Trainer, data: Any, steps: int | None, events: _BatchEvents
) -> tuple[Program, Accumulators]:
    found: tuple[Program, Accumulators] | None = None
    if isinstance(data, Passes) and data.is_spent:
        warn_of_few_batches(None, 0)
    count = 0
    batches = Prefetched(itertools.islice(iterate(data), steps), to_device)
    try:
        for batch in batches:
            events.begin()
            program, carry = trainer.prepare(functools.partial(_same, batch))
            total = program.empty_accumulators() if found is None else found[1]
            batch = program.devices.batch(batch)
            total = program.evaluate_batch(carry.trainable, carry.non_trainable, total, batch)
            found = program, total
            count += 1
            events.end(program, total)
            if events.ended:
                steps = None
                break
    finally:
        batches.close()
    if found is None:
        raise InputError(no_batches())
    if steps is not None and count < steps:
        warn_of_few_batches(steps, count)
    return found


def _over_rows(
    trainer: Trainer, data: Arrays, size: int, steps: int | None, events: _BatchEvents
) -> tuple[Program, Accumulators]:
    def example() -> Any:
        return data.example_batch(min(size, data.count))

    program, carry = trainer.prepare(example)
    total = program.empty_accumulators()
    left = whole = -(-data.count // size)
    if steps is not None:
        left = min(steps, whole)
        if whole < steps:
            warn_of_few_batches(steps, whole)
    for indices in batch_indices(np.arange(data.count), size):
        stop = min(left, indices.shape[0])
        left -= stop
        first = 0
        while first < stop and not events.ended:
            width = events.next_batches(stop - first)
            events.begin()
            if events.are_handled:
                program, carry = trainer.prepare(example)  # a callback may have set weights
            if program.placement is not None:
                for rows in np.asarray(indices[first : first + width]):
                    with program.placement.staging():
                        batch = program.devices.batch(data.batch(rows))
                    weights = carry.trainable, carry.non_trainable
                    total = program.evaluate_batch(*weights, total, batch)
            else:
                for part in data.ranges(indices, first, first + width):
                    jax.block_until_ready(total)  # keep at most two ranges in memory
                    weights = carry.trainable, carry.non_trainable
                    total = program.evaluate_rows(*weights, total, *part)
            first += width
            events.end_rows(program, total, width)
    return program, total


def _same(batch: Any) -> Any:
    return batch
