"""Callbacks that set the learning rate while a model learns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from lamina.errors import InputError, explain
from lamina.training.callbacks.base import Callback
from lamina.training.callbacks.monitoring import Monitor
from lamina.training.checkpoints.records import Kinds, is_count, is_integer, is_number, optional

__all__ = ["LearningRateScheduler", "ReduceLROnPlateau"]


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch.

    Args:
        schedule: a function of the epoch, from 0, or of it and the present rate, that gives the
            new one.
        verbose: 1 says what it was set to.

    Raises:
        InputError: the optimizer has no rate that can be set.

    >>> warmup = LearningRateScheduler(lambda epoch, rate: 1e-3 * min(1.0, (epoch + 1) / 5))
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule = schedule
        self.verbose = verbose
        self._epoch = -1

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch = -1

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if epoch == self._epoch:  # this epoch goes on after a checkpoint
            return
        trainer = self.model._lamina.trainer
        known = (epoch, trainer.learning_rate)
        trainer.learning_rate = self.schedule(*known[: _taken(self.schedule)])
        self._epoch = epoch
        if self.verbose:
            print(f"epoch {epoch + 1}: learning rate {trainer.learning_rate:g}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model._lamina.trainer.learning_rate

    _kinds: ClassVar[Kinds] = {"epoch": is_integer}

    def get_state(self) -> dict[str, Any]:
        return {"epoch": self._epoch}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._epoch = state["epoch"]


def _taken(schedule: Callable[..., float]) -> int:
    """How many arguments by position a schedule takes, two at most."""
    try:
        inspect.signature(schedule).bind(0, 0.0)
    except TypeError:
        return 1
    except ValueError:  # a function that does not tell
        pass
    return 2


class ReduceLROnPlateau(Monitor):
    """Lowers the learning rate when a number has not improved for some epochs.

    Args:
        monitor, mode, min_delta: see :class:`Monitor`.
        factor: the new rate over the old one.
        patience: how many epochs without improvement are borne.
        verbose: 1 says when it does so.
        cooldown: epochs after a change that do not count.
        min_lr: the rate goes no lower.

    Raises:
        InputError: the factor is 1 or more, or the optimizer has no rate that can be set.

    >>> plateau = ReduceLROnPlateau(factor=0.5, patience=3, min_lr=1e-5)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if not 0 < factor < 1:
            raise InputError(
                explain(
                    "ReduceLROnPlateau would not lower the learning rate.",
                    expected="a factor between 0 and 1",
                    received=str(factor),
                    remedy="Choose 0.5, for example.",
                )
            )
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.wait = self.cooldown_counter = 0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        self.best = None
        self.wait = self.cooldown_counter = 0
        _ = self.trainer.learning_rate  # an optimizer that has none is told of before it matters

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        rate = self.trainer.learning_rate
        if logs is not None:
            logs["learning_rate"] = rate
        value = self.current(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improves(value, self.best):
            self.best = value
            self.wait = 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                self.trainer.learning_rate = max(rate * self.factor, self.min_lr)
                self.cooldown_counter, self.wait = self.cooldown, 0
                if self.verbose:
                    print(f"epoch {epoch + 1}: learning rate {self.trainer.learning_rate:g}")

    _kinds: ClassVar[Kinds] = {
        "best": optional(is_number),
        "wait": is_count,
        "cooldown_counter": is_count,
    }

    def get_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._kinds}

    def set_state(self, state: Mapping[str, Any]) -> None:
        vars(self).update({name: state[name] for name in self._kinds})
