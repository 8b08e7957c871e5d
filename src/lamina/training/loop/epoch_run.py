"""The steps of one epoch of `fit`."""

from __future__ import annotations

import time
import warnings
from typing import Any, Protocol

from lamina.training.callbacks.callback_list import CallbackList
from lamina.training.callbacks.progress import UPDATE_SECONDS
from lamina.training.checkpoints.writer import CheckpointWriter
from lamina.training.data.batch_sources import ArraySource, BatchSource, Rows
from lamina.training.loop import steps_per_execution
from lamina.training.loop.trainer import Trainer
from lamina.training.nonfinite.search import NotFiniteError

__all__ = ["EpochRun"]


class _Fit(Protocol):
    """The part of a call of `fit` that its epochs use."""

    trainer: Trainer
    source: BatchSource
    writer: CheckpointWriter | None
    step_seconds: float

    @property
    def model(self) -> Any: ...

    @property
    def stops_on_nonfinite(self) -> bool: ...


class EpochRun:
    """The steps of one epoch: their grouping, and checks and reports between them.

    Args:
        fit: the call of `fit`.
        callbacks: to report to.
        first: the number of steps of the epoch that were made before.

    Attributes:
        before: the number of steps made before the epoch.
        done: the number of steps made in the epoch.
    """

    def __init__(self, fit: _Fit, callbacks: CallbackList, first: int) -> None:
        self.fit = fit
        self.callbacks = callbacks
        self.done = self._reported = self._inspected = first
        self.before = fit.trainer.wait() - first
        self._every_batch = callbacks.handles("on_train_batch_begin", "on_train_batch_end")
        self._begun: int | None = None  # the first step since on_train_batch_begin
        alone = self._every_batch and fit.trainer.steps_per_execution is None
        self._groups_steps = isinstance(fit.source, ArraySource) and not alone
        self._checked_at = time.perf_counter()

    def next_steps(self, left: int) -> int:
        """Return how many of the remaining steps to run as one program."""
        if not self._groups_steps:
            return 1
        writer = self.fit.writer
        due = None if writer is None else writer.steps_until_due(self.before + self.done)
        fixed = self.fit.trainer.steps_per_execution
        if fixed is not None and self._begun is not None:  # a checkpoint has divided the steps
            fixed -= self.done - self._begun
        return steps_per_execution.next_steps(fixed, self.fit.step_seconds, left, due)

    def steps(self, start: int, stop: int, data: Any) -> None:
        """Run steps of the epoch, and call the callbacks."""
        trainer = self.fit.trainer
        if self._every_batch:
            if not self.before and not isinstance(data, Rows):
                trainer.prepare(lambda: data)  # callbacks see a model that is built
            self._begin(start)
        began = time.perf_counter()
        if isinstance(data, Rows):
            trainer.steps(*data)
        else:
            trainer.step(data)
        self.done = stop
        if self._every_batch and self.done >= self._last() + 1:
            self.end()
        if self._groups_steps:
            trainer.wait()
            self.fit.step_seconds = (time.perf_counter() - began) / (stop - start)
        passed = time.perf_counter() - self._checked_at
        if self._groups_steps or passed > UPDATE_SECONDS:
            self.check()
            self.report()

    def _begin(self, start: int) -> None:
        if self._begun is None:
            self._begun = start
            self.callbacks.call("on_train_batch_begin", start, {})

    def _last(self) -> int:
        """Return the number of the last step before the next call of `on_train_batch_end`."""
        return (self._begun or 0) + (self.fit.trainer.steps_per_execution or 1) - 1

    def end(self) -> None:
        """Call `on_train_batch_end`, unless it was called for this step.

        As in Keras, the number of the batch is that of a whole group of `steps_per_execution`
        steps, also where the data end within the group.
        """
        if self._begun is not None:
            last, self._begun = self._last(), None
            self.callbacks.call("on_train_batch_end", last, self.fit.trainer.running_logs())

    def report(self) -> None:
        """Call `on_progress`, unless it was called for this step."""
        if self._reported < self.done and self.callbacks.handles("on_progress"):
            logs = self.fit.trainer.running_logs()
            self.callbacks.call("on_progress", self.done, logs)
        self._reported = self.done

    def check(self) -> None:
        """Check that the loss and gradients are finite; then earlier batches can be released."""
        source, before = self.fit.source, self.before
        try:
            self.fit.trainer.check(lambda count: source.batch(count - before), before)
        except NotFiniteError as error:
            if not self.fit.stops_on_nonfinite:
                raise
            warnings.warn(f"Training stops. {error}", UserWarning, stacklevel=2)
            self.fit.model.stop_training = True
        if self._inspected < self.done:
            self._inspected = self.done
            self.callbacks.inspect(self.before + self.done, lambda: source.batch(self.done - 1))
        source.release()
        self._checked_at = time.perf_counter()
