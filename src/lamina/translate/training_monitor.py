"""Callbacks of translator training: the best translator, throughput, and a time limit."""

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
from lamina.translate.evaluation import Evaluator
from lamina.translate.recipe import Recipe
from lamina.translate.translator import Translator

__all__ = ["BestTranslator", "Throughput", "TimeLimit"]

Values = dict[str, NDArray[np.float32]]


class BestTranslator(Callback):
    """Evaluates the mean of the weights of the last epochs, saves the best, and stops early.

    Args:
        folder: directory to save the translator to.
        translator: the translator that receives the mean weights.
        evaluator: computes the validation scores.
        recipe: ``average`` is the number of epochs in the mean, ``patience`` the number of epochs
            without a better BLEU after which training stops.
    """

    def __init__(
        self, folder: Path, translator: Translator, evaluator: Evaluator, recipe: Recipe
    ) -> None:
        self._folder = folder
        self._translator = translator
        self._evaluator = evaluator
        self._recipe = recipe
        self._recent: list[Values] = []
        self._best = [-1.0, 0.0]  # BLEU; if equal, the negative loss decides
        self._waited = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        current = {path: np.asarray(value) for path, value in self.model.values().items()}
        self._recent = [*self._recent, current][-self._recipe.average :]
        mean = {path: np.mean([one[path] for one in self._recent], 0) for path in current}
        self._translator.model.set_values(mean)
        scores = self._evaluator(self._translator, beam=1)
        loss = self._evaluator.loss(self._translator)
        if logs is not None:
            logs.update(val_loss=loss, val_bleu=scores.bleu, val_chrf=scores.chrf)
        self._waited += 1
        if [scores.bleu, -loss] > self._best:
            self._best, self._waited = [scores.bleu, -loss], 0
            bundle.save(self._translator, self._folder)
        elif self._waited >= self._recipe.patience:
            self.model.stop_training = True

    def get_state(self) -> dict[str, Any]:
        return {"recent": self._recent, "best": self._best, "waited": self._waited}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._recent = [dict(values) for values in state["recent"]]
        bleu, loss = map(float, state["best"])
        self._best, self._waited = [bleu, loss], int(state["waited"])


class Throughput(Callback):
    """Logs target tokens per second instead of the accuracy of whole rows, which is near zero for
    sentences."""

    def __init__(self, batches: Batches) -> None:
        self._tokens_per_step = batches.tokens / len(batches)
        self._from: tuple[int, float] | None = None
        self._rate: float | None = None
        self._started = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._from = self._rate = None
        self._started = time.perf_counter()

    def on_progress(self, step: int, logs: Any = None) -> None:
        now = time.perf_counter()
        if self._from is None:  # the time before includes compilation
            self._from = step, now
            self._rate = step * self._tokens_per_step / (now - self._started)
        elif step > self._from[0]:
            self._rate = (step - self._from[0]) * self._tokens_per_step / (now - self._from[1])
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


class TimeLimit(Callback):
    """Limits the training time. The learning rate follows the steps or the time, whichever has
    advanced further. Time before an interruption counts.

    Args:
        recipe: defines the learning rate and the limit in minutes.
        steps: number of steps per epoch.
        now: clock in seconds. Default: :func:`time.perf_counter`.
    """

    def __init__(
        self, recipe: Recipe, steps: int, now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._recipe = recipe
        self._steps = steps
        self._now = now
        self._started = now()
        self._before = 0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._started = self._now()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._before = epoch * self._steps

    def on_progress(self, step: int, logs: Mapping[str, Any] | None = None) -> None:
        step_fraction = (self._before + step) / (self._recipe.epochs * self._steps)
        time_fraction = self._spent() / (60 * (self._recipe.minutes or float("inf")))
        self.model.optimizer.learning_rate = float(
            self._recipe.rate(min(1, max(step_fraction, time_fraction)))
        )
        if time_fraction >= 1:
            self.model.stop_training = True

    def get_state(self) -> dict[str, Any]:
        return {"spent": self._spent()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._started = self._now() - float(state["spent"])

    def _spent(self) -> float:
        return self._now() - self._started
