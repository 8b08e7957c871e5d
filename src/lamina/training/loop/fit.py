"""The loop of `fit`: epochs of steps, validation, callbacks, checkpoints."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lamina.training.callbacks.base import History, LambdaCallback
from lamina.training.callbacks.nan_guard import TerminateOnNaN
from lamina.training.callbacks.progress import ProgressBar
from lamina.training.callbacks.reported import Callbacks
from lamina.training.checkpoints.writer import Keeper
from lamina.training.data.batch_sources import ArrayFeed, Feed
from lamina.training.loop import steps_per_call
from lamina.training.loop.trainer import Trainer
from lamina.training.nonfinite.search import NotFiniteError

__all__ = ["Fit"]


@dataclass
class Fit:
    """One call of `fit`, its options checked.

    Attributes:
        trainer: makes the steps.
        feed: where they come from.
        epochs: the number of the last epoch.
        initial_epoch: the first.
        validate: finds what validation comes to after an epoch, if there is to be one.
        validation_freq: after how many epochs.
        callbacks: the user's.
        verbose: as `fit` has it.
        keeper: of checkpoints, if there are to be any.
        pace: the seconds that a step lately took.
    """

    trainer: Trainer
    feed: Feed
    epochs: int
    initial_epoch: int = 0
    validate: Callable[[], dict[str, Any]] | None = None
    validation_freq: int = 1
    callbacks: Sequence[Any] = ()
    verbose: int | str | bool = "auto"
    keeper: Keeper | None = None
    pace: float = 0.0

    def run(self) -> History:
        history, model = History(), self.model
        bars = [callback for callback in self.callbacks if isinstance(callback, ProgressBar)]
        own = [] if bars or not self.verbose else [ProgressBar(self.verbose)]
        params = {
            "epochs": self.epochs,
            "steps": self.feed.steps,
            "verbose": self.verbose,
            "logs": self._log_names(),
            "validation_freq": self.validation_freq,
        }
        told = Callbacks([*self.callbacks, history, *own], model, params)
        model.stop_training = False
        logs: dict[str, Any] = {}
        unsaved: OSError | None = None
        with contextlib.ExitStack() as stack:
            for bar in (*bars, *own):
                stack.enter_context(bar)
            stack.callback(self.trainer.recall)
            stack.callback(self.feed.close)
            if self.keeper is not None:
                stack.callback(self.keeper.close)
            told.tell("on_train_begin", {})
            epoch, first = self._begin(told)
            while epoch < self.epochs and not model.stop_training:
                logs = self._epoch(epoch, first, told)
                epoch, first = epoch + 1, 0
                try:
                    self._save(epoch, 0, told, epoch >= self.epochs or model.stop_training)
                except OSError as error:
                    unsaved = error
            self.trainer.take_averages()
        told.tell("on_train_end", logs)
        if unsaved is not None:
            raise unsaved
        return history

    def _log_names(self) -> list[str] | None:
        """The logs that epochs will have; None where a callback or a loss may add some."""
        objective = self.trainer.objective
        if any(map(_adds_logs, self.callbacks)) or objective.train_loss is not None:
            return None
        names = ["loss", *(judge.name for judge in objective.judges), "learning_rate"]
        validated = [] if self.validate is None else [f"val_{name}" for name in names[:-1]]
        return names + validated

    @property
    def stops(self) -> bool:
        """Whether a loss that is not finite ends training without an error."""
        quiet = any(isinstance(c, TerminateOnNaN) and not c.raise_error for c in self.callbacks)
        return quiet or self.trainer.on_nonfinite == "stop"

    @property
    def model(self) -> Any:
        return self.trainer.model

    def _begin(self, told: Callbacks) -> tuple[int, int]:
        """The epoch and the step in it to begin with: the first, or where a checkpoint was made."""
        found = None if self.keeper is None else self.keeper.begin(told.check_states)
        saved = None if found is None else found.about["more"]
        epoch, first, place = self.initial_epoch, 0, None
        if saved is not None:
            epoch, first, place = saved["epoch"], saved["step"], saved["place"]
        self.feed.start(first, self.epochs - epoch, place)
        if self.keeper is not None:
            self.keeper.go_on(self.trainer, found)
        if saved is not None:
            told.set_states(saved["callbacks"])
            self.model.stop_training = saved["stopped"]
        return epoch, first

    def _epoch(self, epoch: int, first: int, told: Callbacks) -> dict[str, Any]:
        told.tell("on_epoch_begin", epoch, {})
        if not first:
            self.trainer.reset_logs()
        run = _Run(self, told, epoch, first)
        for done in self.feed.epoch(self.trainer, first, run.most, run.begin):
            run.after(done)
            if self.model.stop_training:
                break
            if self.keeper is not None and self.keeper.due(run.before + done):
                run.look()
                self._save(epoch, done, told)
        run.look()
        run.tell()
        self.trainer.epochs += 1
        logs = self.trainer.logs()
        if self.validate is not None and (epoch + 1) % self.validation_freq == 0:
            told.tell("on_test_begin", {})
            found = self.validate()
            told.tell("on_test_end", found)
            logs |= {f"val_{name}": value for name, value in found.items()}
        told.tell("on_epoch_end", epoch, logs)
        return logs

    def _save(self, epoch: int, step: int, told: Callbacks, last: bool = False) -> None:
        if self.keeper is not None:
            more = {
                "epoch": epoch,
                "step": step,
                "place": self.feed.place(),
                "stopped": self.model.stop_training,
                "callbacks": told.states(),
            }
            self.keeper.save(self.trainer, more, last)


def _adds_logs(callback: Any) -> bool:
    """Whether it may: it is not Lamina's, or runs a user's function."""
    own = type(callback).__module__.startswith("lamina.")
    return not own or isinstance(callback, LambdaCallback)


class _Run:
    """The steps of one epoch: how many at once, and when to look at the device."""

    def __init__(self, fit: Fit, told: Callbacks, epoch: int, first: int) -> None:
        self.fit = fit
        self.told = told
        self.epoch = epoch
        self.done = self._said = first
        self.before = fit.trainer.wait() - first
        self._bursts = isinstance(fit.feed, ArrayFeed) and not told.every_batch
        self._looked = self._began = time.perf_counter()

    def most(self, left: int) -> int:
        """How many steps take about as long as an update, and go no further than a checkpoint."""
        self._began = time.perf_counter()
        if not self._bursts:
            return 1
        keeper = self.fit.keeper
        due = None if keeper is None else keeper.left(self.before + self.done)
        return steps_per_call.at_once(self.fit.trainer.at_once, self.fit.pace, left, due)

    def begin(self, step: int) -> None:
        if self.told.every_batch:
            self.told.tell("on_train_batch_begin", step, {})

    def after(self, done: int) -> None:
        """Steps were handed to the device, `done` in all of this epoch."""
        trainer, made, self.done = self.fit.trainer, done - self.done, done
        if self.told.every_batch:
            self.told.tell("on_train_batch_end", done - 1, trainer.running_logs())
        if self._bursts:
            trainer.wait()
            self.fit.pace = (time.perf_counter() - self._began) / made
        if self._bursts or time.perf_counter() - self._looked > steps_per_call.UPDATE:
            self.look()
            self.tell()

    def tell(self) -> None:
        """Say how far this epoch has come, unless that was said."""
        if self._said < self.done and self.told.hears("on_progress"):
            self.told.tell("on_progress", self.done, self.fit.trainer.running_logs())
        self._said = self.done

    def look(self) -> None:
        """See that all is finite; the batches so far need not be kept then."""
        feed, before = self.fit.feed, self.before
        try:
            self.fit.trainer.check(lambda count: feed.batch(count - before), before)
        except NotFiniteError as error:
            if not self.fit.stops:
                raise
            warnings.warn(f"Training stops. {error}", UserWarning, stacklevel=2)
            self.fit.model.stop_training = True
        feed.forget()
        self._looked = time.perf_counter()
