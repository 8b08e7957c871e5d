"""The loop of `fit`: epochs over arrays or batches, validation, callbacks, progress."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.errors import InputError, explain
from lamina.lazy import lazily
from lamina.training.callbacks import Callbacks, History
from lamina.training.data import Arrays, batches_of
from lamina.training.step import Tallies
from lamina.training.trainer import Trainer

if TYPE_CHECKING:
    from lamina.training import progress
else:
    progress = lazily("lamina.training.progress")

__all__ = ["Fit", "evaluate"]

_UPDATE = 0.2  # seconds between looks at the device, so that the display is live


@dataclass
class Fit:
    """One call of `fit`, its options checked."""

    trainer: Trainer
    data: Any
    batch_size: int
    epochs: int
    initial_epoch: int = 0
    steps_per_epoch: int | None = None
    validation: Any = None
    shuffle: bool = True
    callbacks: Sequence[Any] = ()
    verbose: int | str | bool = "auto"
    _endless: Any = None
    _recent: dict[int, Any] = field(default_factory=dict[int, Any])
    _pace: float = 0.0

    def run(self) -> History:
        history = History()
        model: Any = self.trainer.model
        told = Callbacks(
            [history, *self.callbacks],
            model,
            {"epochs": self.epochs, "steps": self._steps(), "verbose": self.verbose},
        )
        model.stop_training = False
        logs: dict[str, float] = {}
        told.tell("on_train_begin", {})
        try:
            with progress.Display(self.epochs, self.verbose) as display:
                for epoch in range(self.initial_epoch, self.epochs):
                    logs = self._epoch(epoch, told, display)
                    if model.stop_training:
                        break
        finally:
            self.trainer.recall()
        told.tell("on_train_end", logs)
        return history

    def _steps(self) -> int | None:
        if self.steps_per_epoch is not None or not isinstance(self.data, Arrays):
            return self.steps_per_epoch
        return -(-self.data.count // self.batch_size)

    def _epoch(self, epoch: int, told: Callbacks, display: progress.Display) -> dict[str, float]:
        told.tell("on_epoch_begin", epoch, {})
        display.begin(epoch, self._steps())
        self.trainer.reset_logs()
        run = self._on_arrays if isinstance(self.data, Arrays) else self._on_batches
        steps = run(told, display)
        self.trainer.epochs += 1
        logs = self.trainer.logs()
        if self.validation is not None:
            found = evaluate(self.trainer, self.validation, self.batch_size)
            logs |= {f"val_{name}": value for name, value in found.items()}
        display.end(epoch, steps, logs)
        told.tell("on_epoch_end", epoch, logs)
        return logs

    def _on_arrays(self, told: Callbacks, display: progress.Display) -> int:
        """Steps on rows of arrays, as many in one program as take about the time of an update."""
        data: Arrays = self.data
        trainer = self.trainer
        in_order = np.arange(data.count, dtype=np.int32)
        rows = trainer.permutation(data.count) if self.shuffle else in_order
        before, done, limit = trainer.wait(), 0, self._steps() or 0
        orders = data.orders(rows, self.batch_size)

        def batch_of(count: int) -> Any:
            start = (count - before) * self.batch_size
            return data.batch(rows[start : start + self.batch_size])

        for order in orders:
            first = 0
            while first < order.shape[0] and done < limit:
                most = min(order.shape[0] - first, limit - done)
                stop = first + (1 if told.every_batch else min(most, self._burst()))
                if told.every_batch:
                    told.tell("on_train_batch_begin", done, {})
                began = time.perf_counter()
                trainer.steps(data, order, first, stop)
                trainer.wait()
                self._pace = (time.perf_counter() - began) / (stop - first)
                trainer.check(batch_of)
                done += stop - first
                first = stop
                self._show(told, display, done)
        return done

    def _burst(self) -> int:
        """How many steps take about as long as the display waits for."""
        return 1 if self._pace <= 0 else max(1, int(_UPDATE / self._pace))

    def _show(self, told: Callbacks, display: progress.Display, done: int) -> None:
        if told.every_batch or display.live:
            logs = self.trainer.logs()
            display.update(done, logs)
            if told.every_batch:
                told.tell("on_train_batch_end", done - 1, logs)

    def _on_batches(self, told: Callbacks, display: progress.Display) -> int:
        trainer, done, looked = self.trainer, 0, time.perf_counter()
        before = trainer.wait()
        self._recent.clear()
        for batch in self._epoch_batches():
            if told.every_batch:
                told.tell("on_train_batch_begin", done, {})
            self._recent[before + done] = batch
            trainer.step(batch)
            done += 1
            if told.every_batch or time.perf_counter() - looked > _UPDATE:
                self._look()
                self._show(told, display, done)
                looked = time.perf_counter()
        self._look()
        if done == 0:
            raise InputError(_no_batches())
        return done

    def _look(self) -> None:
        """See that all is finite; the batches so far need not be kept then."""
        self.trainer.check(self._recent.__getitem__)
        self._recent.clear()

    def _epoch_batches(self) -> Any:
        if self.steps_per_epoch is None:
            yield from batches_of(self.data)
            return
        for _ in range(self.steps_per_epoch):
            batch = self._next()
            if batch is None:
                raise InputError(
                    explain(
                        "The data ended before the epoch did.",
                        expected=f"{self.steps_per_epoch} batches an epoch",
                        received="fewer",
                        remedy="Lower steps_per_epoch, or give an iterable that starts anew.",
                    )
                )
            yield batch

    def _next(self) -> Any:
        """The next batch of data that goes on over the epochs, started anew when it ends."""
        for _ in range(2):
            if self._endless is None:
                self._endless = batches_of(self.data)
            batch = next(self._endless, None)
            if batch is not None:
                return batch
            self._endless = None
        return None


def _no_batches() -> str:
    return explain(
        "The data gave no batch.",
        expected="at least one batch an epoch",
        received="an empty iterable, or a generator that an earlier epoch used up",
        remedy="Pass a function that makes a generator, or a list of batches in a class with "
        "__iter__.",
    )


def evaluate(
    trainer: Trainer,
    data: Any,
    batch_size: int,
    steps: int | None = None,
) -> dict[str, float]:
    """Loss and metrics over data, nothing learnt."""
    tallies: Tallies = ()
    if isinstance(data, Arrays):
        for order in data.orders(np.arange(data.count), batch_size):
            tallies = trainer.judge_rows(tallies, data, order[:steps])
    else:
        for batch in itertools.islice(batches_of(data), steps):
            tallies = trainer.judge(tallies, batch)
    if not tallies:
        raise InputError(_no_batches())
    return trainer.results(tallies)
