"""The loop of `fit`: epochs of steps, validation, callbacks and checkpoints."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.training.callbacks.base import History, LambdaCallback
from lamina.training.callbacks.callback_list import CallbackList
from lamina.training.callbacks.nan_guard import TerminateOnNaN
from lamina.training.callbacks.progress import ProgressBar
from lamina.training.checkpoints.writer import CheckpointWriter
from lamina.training.data.batch_sources import ArraySource, BatchSource, Rows
from lamina.training.loop import steps_per_execution
from lamina.training.loop.trainer import Trainer
from lamina.training.nonfinite.search import NotFiniteError

__all__ = ["Fit"]


@dataclass
class Fit:
    """One call of `fit`, with checked arguments.

    Attributes:
        trainer: makes the steps.
        source: of the batches.
        epochs: the number of the last epoch.
        initial_epoch: the number of epochs to skip.
        validate: returns the logs of a validation; None for no validation.
        validation_freq: the number of epochs between validations, or the numbers of the epochs,
            from 1, that a validation follows.
        callbacks: of the user.
        verbose: as in :class:`ProgressBar`.
        writer: of checkpoints; None for none.
        step_seconds: the time of a recent step.
    """

    trainer: Trainer
    source: BatchSource
    epochs: int
    initial_epoch: int = 0
    validate: Callable[[], dict[str, Any]] | None = None
    validation_freq: int | tuple[int, ...] = 1
    callbacks: Sequence[Any] = ()
    verbose: int | str | bool = "auto"
    writer: CheckpointWriter | None = None
    step_seconds: float = 0.0

    def run(self) -> History:
        """Run all epochs and return their logs."""
        history, model = History(), self.model
        bars = [callback for callback in self.callbacks if isinstance(callback, ProgressBar)]
        own = [] if bars or not self.verbose else [ProgressBar(self.verbose)]
        callbacks = CallbackList([*self.callbacks, history, *own], model, self._params())
        model.stop_training = False
        logs: dict[str, Any] = {}
        write_error: OSError | None = None
        with contextlib.ExitStack() as stack:
            for bar in (*bars, *own):
                stack.enter_context(bar)
            stack.callback(self.trainer.recall)
            stack.callback(self.source.close)
            if self.writer is not None:
                stack.callback(self.writer.close)
            callbacks.call("on_train_begin", {})
            epoch, first = self._start(callbacks)
            while epoch < self.epochs and not model.stop_training:
                logs = self._epoch(epoch, first, callbacks)
                epoch, first = epoch + 1, 0
                try:
                    self._save(epoch, 0, callbacks, epoch >= self.epochs or model.stop_training)
                except OSError as error:
                    write_error = error
            self.trainer.take_averages()
        callbacks.call("on_train_end", logs)
        if write_error is not None:
            raise write_error
        return history

    def _params(self) -> dict[str, Any]:
        return {
            "epochs": self.epochs,
            "steps": self.source.steps,
            "verbose": self.verbose,
            "logs": self._log_names(),
            "validation_freq": self.validation_freq,
        }

    def _log_names(self) -> list[str] | None:
        """Return the names of the logs of an epoch; None if callbacks or the loss may add some."""
        objective = self.trainer.objective
        if any(map(_may_add_logs, self.callbacks)) or objective.train_loss is not None:
            return None
        metrics = [bound.name for bound in objective.bound_metrics]
        validation = [] if self.validate is None else [f"val_{name}" for name in ("loss", *metrics)]
        return ["loss", *metrics, "learning_rate", *validation]

    @property
    def stops_on_nonfinite(self) -> bool:
        """Whether a loss that is not finite ends training without an error."""
        guards = [one for one in self.callbacks if isinstance(one, TerminateOnNaN)]
        return any(not g.raise_error for g in guards) or self.trainer.on_nonfinite == "stop"

    @property
    def model(self) -> Any:
        """The model that is trained."""
        return self.trainer.model

    def _start(self, callbacks: CallbackList) -> tuple[int, int]:
        """Return the first epoch and its first step, of a checkpoint if training resumes."""
        writer = self.writer
        checkpoint = None if writer is None else writer.begin(callbacks.check_states)
        progress = None if checkpoint is None else checkpoint.about["more"]
        epoch, first, position = self.initial_epoch, 0, None
        if progress is not None:
            epoch, first, position = progress["epoch"], progress["step"], progress["position"]
        self.source.start(first, self.epochs - epoch, position)
        if checkpoint is not None:
            self.trainer.resume(checkpoint)
        if writer is not None and writer.resume:
            writer.last_step = self.trainer.wait()
        if progress is not None:
            callbacks.set_states(progress["callbacks"])
            self.model.stop_training = progress["stopped"]
        return epoch, first

    def _epoch(self, epoch: int, first: int, callbacks: CallbackList) -> dict[str, Any]:
        """Run one epoch from its step `first` on; return its logs."""
        callbacks.call("on_epoch_begin", epoch, {})
        if not first:
            self.trainer.reset_logs()
        run = _EpochRun(self, callbacks, first)
        for start, stop, data in self.source.epoch(self._order, first, run.next_steps):
            run.steps(start, stop, data)
            if self.model.stop_training:
                break
            if self.writer is not None and self.writer.is_due(run.before + stop):
                run.check()
                self._save(epoch, stop, callbacks)
        run.check()
        run.report()
        self.trainer.epochs += 1
        logs = self.trainer.logs()
        if self.validate is not None and self._is_validated(epoch + 1):
            callbacks.call("on_test_begin", {})
            validation = self.validate()
            callbacks.call("on_test_end", validation)
            logs |= {f"val_{name}": value for name, value in validation.items()}
        callbacks.call("on_epoch_end", epoch, logs)
        return logs

    def _is_validated(self, number: int) -> bool:
        """Return whether a validation follows the epoch of a number, counted from 1."""
        wanted = self.validation_freq
        return number in wanted if isinstance(wanted, tuple) else number % wanted == 0

    def _order(self, count: int, passed: int) -> np.ndarray:
        """Return the order of the examples in a pass that began `passed` epochs ago."""
        if isinstance(self.source, ArraySource):
            self.trainer.prepare(self.source.example_batch)  # the seed may be that of the weights
        return self.trainer.permutation(count, passed)

    def _save(self, epoch: int, step: int, callbacks: CallbackList, last: bool = False) -> None:
        """Start to write a checkpoint; wait for the last one."""
        if self.writer is not None:
            progress = {
                "epoch": epoch,
                "step": step,
                "position": self.source.position(),
                "stopped": self.model.stop_training,
                "callbacks": callbacks.states(),
            }
            trainer = self.trainer
            self.writer.save(trainer.wait, lambda: trainer.snapshot(progress), last)


def _may_add_logs(callback: Any) -> bool:
    """Return whether a callback is not one of Lamina, or calls functions of the user."""
    own = type(callback).__module__.startswith("lamina.")
    return not own or isinstance(callback, LambdaCallback)


class _EpochRun:
    """The steps of one epoch: their grouping, and checks and reports between them.

    Args:
        fit: the call of `fit`.
        callbacks: to report to.
        first: the number of steps of the epoch that were made before.

    Attributes:
        before: the number of steps made before the epoch.
        done: the number of steps made in the epoch.
    """

    def __init__(self, fit: Fit, callbacks: CallbackList, first: int) -> None:
        self.fit = fit
        self.callbacks = callbacks
        self.done = self._reported = first
        self.before = fit.trainer.wait() - first
        self._groups_steps = isinstance(fit.source, ArraySource) and not callbacks.every_batch
        self._checked_at = time.perf_counter()

    def next_steps(self, left: int) -> int:
        """Return how many of the remaining steps to run as one program."""
        if not self._groups_steps:
            return 1
        writer = self.fit.writer
        due = None if writer is None else writer.steps_until_due(self.before + self.done)
        fixed = self.fit.trainer.steps_per_execution
        return steps_per_execution.next_steps(fixed, self.fit.step_seconds, left, due)

    def steps(self, start: int, stop: int, data: Any) -> None:
        """Run steps of the epoch, and call the callbacks."""
        trainer = self.fit.trainer
        if self.callbacks.every_batch:
            self.callbacks.call("on_train_batch_begin", start, {})
        began = time.perf_counter()
        if isinstance(data, Rows):
            trainer.steps(*data)
        else:
            trainer.step(data)
        self.done = stop
        if self.callbacks.every_batch:
            self.callbacks.call("on_train_batch_end", stop - 1, trainer.running_logs())
        if self._groups_steps:
            trainer.wait()
            self.fit.step_seconds = (time.perf_counter() - began) / (stop - start)
        passed = time.perf_counter() - self._checked_at
        if self._groups_steps or passed > steps_per_execution.UPDATE_SECONDS:
            self.check()
            self.report()

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
        source.release()
        self._checked_at = time.perf_counter()
