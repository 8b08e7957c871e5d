"""What watches a translator while it is trained: the clock, its pace, which epoch's is the best."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.training import Callback
from lamina.translate import bundle
from lamina.translate.buckets import Batches
from lamina.translate.evaluation import Judge
from lamina.translate.recipe import Recipe
from lamina.translate.translator import Translator

__all__ = ["Clock", "Keeper", "Pace"]

Values = dict[str, NDArray[np.float32]]


class Keeper(Callback):
    """Judges the mean of the last epochs' weights, keeps the best, and stops when none is better.

    Args:
        folder: where the translator is kept.
        translator: its model gets the mean.
        judge: of translators.
        recipe: tells how many epochs the mean is of, and how many without a better one are borne.
    """

    def __init__(self, folder: Path, translator: Translator, judge: Judge, recipe: Recipe) -> None:
        self._folder = folder
        self._translator = translator
        self._judge = judge
        self._recipe = recipe
        self._recent: list[Values] = []
        self._best = [-1.0, 0.0]  # BLEU; among equals, minus the loss
        self._waited = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        now = {path: np.asarray(value) for path, value in self.model.values().items()}
        self._recent = [*self._recent, now][-self._recipe.average :]
        mean = {path: np.mean([one[path] for one in self._recent], 0) for path in now}
        self._translator.model.set_values(mean)
        found, loss = self._judge(self._translator, beam=1), self._judge.loss(self._translator)
        told = {"val_loss": loss, "val_bleu": found.bleu, "val_chrf": found.chrf}
        if logs is not None:
            logs.update(told)
        self._waited += 1
        if [found.bleu, -loss] > self._best:
            self._best, self._waited = [found.bleu, -loss], 0
            bundle.save(self._translator, self._folder)
        elif self._waited >= self._recipe.patience:
            self.model.stop_training = True

    def get_state(self) -> dict[str, Any]:
        return {"recent": self._recent, "best": self._best, "waited": self._waited}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._recent = [dict(values) for values in state["recent"]]
        bleu, loss = map(float, state["best"])
        self._best, self._waited = [bleu, loss], int(state["waited"])


class Pace(Callback):
    """Tells how many tokens of the target are learnt a second, in place of the share of rows that
    are right to the last token, which sentences hardly ever are."""

    def __init__(self, batches: Batches) -> None:
        self._each = batches.tokens / len(batches)
        self._from: tuple[int, float] | None = None
        self._rate: float | None = None
        self._begun = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._from = self._rate = None
        self._begun = time.perf_counter()

    def on_progress(self, step: int, logs: Any = None) -> None:
        now = time.perf_counter()
        if self._from is None:  # what came before holds compilation
            self._from = step, now
            self._rate = step * self._each / (now - self._begun)
        elif step > self._from[0]:
            self._rate = (step - self._from[0]) * self._each / (now - self._from[1])
        self._show(logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._show(logs)

    def _show(self, logs: Any) -> None:
        if logs is None:
            return
        if "rows_right" in logs:
            del logs["rows_right"]
        if self._rate is not None:
            logs["tokens_per_second"] = self._rate


class Clock(Callback):
    """Sets the learning rate by the steps or by the time, whichever is further on, and stops
    training when the time is up. What was spent before a stop counts.

    Args:
        recipe: tells the rate and the minutes.
        steps: of an epoch.
        now: seconds.
    """

    def __init__(
        self, recipe: Recipe, steps: int, now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._recipe = recipe
        self._steps = steps
        self._now = now
        self._began = now()
        self._before = 0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._began = self._now()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._before = epoch * self._steps

    def on_progress(self, step: int, logs: Mapping[str, Any] | None = None) -> None:
        made = (self._before + step) / (self._recipe.epochs * self._steps)
        spent = self._spent() / (60 * (self._recipe.minutes or float("inf")))
        self.model.optimizer.learning_rate = float(self._recipe.rate(min(1, max(made, spent))))
        if spent >= 1:
            self.model.stop_training = True

    def get_state(self) -> dict[str, Any]:
        return {"spent": self._spent()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._began = self._now() - float(state["spent"])

    def _spent(self) -> float:
        return self._now() - self._began
