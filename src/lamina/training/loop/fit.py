"""The loop of `fit`: epochs of steps, validation, callbacks and checkpoints."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.core.building.placement import placement_for
from lamina.core.tree.walk import walk
from lamina.training.callbacks.callback_list import CallbackList
from lamina.training.callbacks.history import History
from lamina.training.callbacks.learning_rates import LearningRateScheduler, ReduceLROnPlateau
from lamina.training.callbacks.log_names import LogNames
from lamina.training.callbacks.nan_guard import TerminateOnNaN
from lamina.training.callbacks.progress import ProgressBar
from lamina.training.checkpoints import sharded_arrays
from lamina.training.checkpoints.folders import check_folder
from lamina.training.checkpoints.writer import CheckpointWriter
from lamina.training.data.batch_sources import ArraySource, BatchSource
from lamina.training.loop.epoch_run import EpochRun
from lamina.training.loop.trainer import Trainer

__all__ = ["Fit"]


@dataclass
class Fit:
    """One call of `fit`, with checked arguments.

    Attributes:
        trainer: makes the steps.
        source: of the batches.
        epochs: the number of the last epoch.
        initial_epoch: the number of epochs to skip.
        validate: given the callbacks, returns the logs of a validation; None for no validation.
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
    validate: Callable[[CallbackList], dict[str, Any]] | None = None
    validation_freq: int | tuple[int, ...] = 1
    callbacks: Sequence[Any] = ()
    verbose: int | str | bool = "auto"
    writer: CheckpointWriter | None = None
    step_seconds: float = 0.0
    _has_steps: bool = False

    def run(self) -> History:
        """Run all epochs and return their logs."""
        model = self.model
        callbacks = CallbackList(self.callbacks, True, bool(self.verbose), **self._params())
        callbacks.set_model(model)
        callbacks.check_names(self._log_names())
        callbacks.check_setup()
        self._build()
        model.stop_training = False
        logs: dict[str, Any] = {}
        write_error: OSError | None = None
        with contextlib.ExitStack() as stack:
            for bar in filter(_is_bar, callbacks.callbacks):
                stack.enter_context(bar)
            stack.callback(self.trainer.recall)
            stack.callback(self.trainer.swap_averages, False)
            stack.callback(self.source.close)
            if self.writer is not None:
                stack.callback(self.writer.close)
            callbacks.call("on_train_begin", {})
            epoch, first, stopped = self._start(callbacks)
            while epoch < self.epochs and not stopped:
                logs = self._epoch(epoch, first, callbacks)
                epoch, first, stopped = epoch + 1, 0, model.stop_training
                try:
                    self._save(epoch, 0, callbacks, epoch >= self.epochs or stopped)
                except OSError as error:
                    write_error = error
            self.trainer.take_averages()
        callbacks.call("on_train_end", logs)
        if write_error is not None:
            raise write_error
        return next(one for one in callbacks.callbacks if isinstance(one, History))

    def _build(self) -> None:
        """Build the model before callbacks see it, where the data are arrays."""
        if self.writer is not None:
            check_folder(self.writer.directory)
            if self._is_placed():
                sharded_arrays.orbax()
        resumes = self.writer is not None and self.writer.resume
        if isinstance(self.source, ArraySource) and not resumes:
            self.trainer.prepare(self.source.example_batch)

    def _is_placed(self) -> bool:
        """Return whether the model has a placement, or gets one as it is built."""
        return placement_for(self.model, walk(self.model), moves=True) is not None

    def _params(self) -> dict[str, Any]:
        return {
            "epochs": self.epochs,
            "steps": self.source.steps,
            "verbose": self.verbose,
            "logs": list(self._log_names().epoch),
            "validation_freq": self.validation_freq,
        }

    def _log_names(self) -> LogNames:
        """Return the names of the logs, as far as they are known."""
        objective, schedulers = self.trainer.objective, (LearningRateScheduler, ReduceLROnPlateau)
        names = ["loss", *(bound.name for bound in objective.bound_metrics)]
        names += [name for name in objective.log_names if name not in names]
        is_custom = objective.train_loss is not None or objective.own_steps is not None
        has_rate = any(isinstance(callback, schedulers) for callback in self.callbacks)
        return LogNames(
            tuple(names),
            ("learning_rate",) if has_rate else (),
            tuple(f"val_{name}" for name in names) if self.validate is not None else (),
            self.validation_freq == 1,
            self._has_steps or (objective.knows_outputs and not is_custom),
            is_custom,
        )

    @property
    def stops_on_nonfinite(self) -> bool:
        """Whether a loss that is not finite ends training without an error."""
        guards = [one for one in self.callbacks if isinstance(one, TerminateOnNaN)]
        return any(not g.raise_error for g in guards) or self.trainer.on_nonfinite == "stop"

    @property
    def model(self) -> Any:
        """The model that is trained."""
        return self.trainer.model

    def _start(self, callbacks: CallbackList) -> tuple[int, int, bool]:
        """Return the first epoch, its first step, and whether the run to resume was stopped."""
        writer = self.writer
        checkpoint = None
        if writer is not None:
            checkpoint = writer.begin(callbacks.check_states, self._is_placed())
        progress = None if checkpoint is None else checkpoint.about["more"]
        epoch, first, position = self.initial_epoch, 0, None
        if progress is not None:
            epoch, first, position = progress["epoch"], progress["step"], progress["position"]
        self.source.start(first, self.epochs - epoch, position)
        if checkpoint is not None:
            about = self.trainer.resume(checkpoint)
            progress = None if about is None else about["more"]
        if writer is not None and writer.resume:
            writer.last_step = self.trainer.wait()
        if progress is not None:
            callbacks.set_states(progress["callbacks"])
            self.model.stop_training = progress["stopped"]
        return epoch, first, progress is not None and self.model.stop_training

    def _epoch(self, epoch: int, first: int, callbacks: CallbackList) -> dict[str, Any]:
        """Run one epoch from its step `first` on; return its logs."""
        callbacks.call("on_epoch_begin", epoch, {})
        if not first:
            self.trainer.reset_logs()
        run = EpochRun(self, callbacks, first)
        for start, stop, data in self.source.epoch(self._order, first, run.next_steps):
            run.steps(start, stop, data)
            if not self._has_steps:
                self._has_steps = True
                callbacks.check_names(self._log_names())
            if self.model.stop_training:
                break
            if self.writer is not None and self.writer.is_due(run.before + stop):
                run.check()
                self._save(epoch, stop, callbacks)
        run.end()
        run.check()
        run.report()
        self.trainer.epochs += 1
        logs = self.trainer.logs()
        if self.validate is not None and self._is_validated(epoch + 1):
            callbacks.call("on_test_begin", {})
            validation = self.validate(callbacks)
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


def _is_bar(callback: Any) -> bool:
    return isinstance(callback, ProgressBar)
