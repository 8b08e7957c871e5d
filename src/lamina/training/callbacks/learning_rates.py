"""Callbacks that change the learning rate during training."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, ClassVar, cast

import numpy as np

from lamina.counts import as_count
from lamina.errors import InputError, explain
from lamina.training.callbacks.base import Callback, trainer_of
from lamina.training.callbacks.messages import print_message
from lamina.training.callbacks.monitoring import Mode, Monitor
from lamina.training.callbacks.options import check_numbers
from lamina.training.checkpoints.schema import Schema, is_count, is_integer, is_number, optional

__all__ = ["LearningRateScheduler", "ReduceLROnPlateau"]


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch.

    Args:
        schedule: a function ``(epoch) -> rate`` or ``(epoch, rate) -> rate``, of the number of the
            epoch, from 0, and the present learning rate.
        verbose: 1 prints each new learning rate; 0 (default) does not.

    Raises:
        InputError: when training begins, the optimizer has no learning rate that can be changed;
            or the function returns something else than a number.

    >>> warmup = LearningRateScheduler(lambda epoch, rate: 1e-3 * min(1.0, (epoch + 1) / 5))
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(cast(Any, schedule)):
            raise InputError(
                explain(
                    "The schedule of LearningRateScheduler is not a function.",
                    expected="a function (epoch) -> rate or (epoch, rate) -> rate",
                    received=repr(schedule),
                    remedy="Pass compile(..., learning_rate=...) for a constant or an optax "
                    "schedule.",
                )
            )
        self.schedule = schedule
        self.verbose = verbose
        self._epoch = -1

    def _check_setup(self) -> None:
        _check_rate_can_be_set(self.model)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch = -1

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if epoch == self._epoch:  # training resumes within this epoch
            return
        trainer = trainer_of(self.model)
        arguments = (epoch, float(trainer.learning_rate))
        trainer.learning_rate = _as_rate(self.schedule(*arguments[: _arity(self.schedule)]))
        self._epoch = epoch
        if self.verbose:
            print_message(f"epoch {epoch + 1}: learning rate {trainer.learning_rate:g}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(trainer_of(self.model).learning_rate)

    _state_schema: ClassVar[Schema] = {"epoch": is_integer}

    def get_state(self) -> dict[str, Any]:
        return {"epoch": self._epoch}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._epoch = state["epoch"]


def _as_rate(given: Any) -> float:
    if isinstance(given, Real) or getattr(given, "shape", None) == ():
        return float(given)
    raise InputError(
        explain(
            "The schedule of LearningRateScheduler does not return a learning rate.",
            expected="a number",
            received=repr(given),
            remedy="Return a float in every epoch; return the second argument to keep the rate.",
        )
    )


def _check_rate_can_be_set(model: Any) -> None:
    trainer = trainer_of(model)
    trainer.learning_rate = trainer.learning_rate


def _arity(schedule: Callable[..., float]) -> int:
    """Return the number of positional arguments that a schedule accepts, 1 or 2."""
    try:
        inspect.signature(schedule).bind(0, 0.0)
    except TypeError:
        return 1
    except ValueError:  # a function without a signature
        pass
    return 2


class ReduceLROnPlateau(Monitor):
    """Lowers the learning rate when a log has stopped improving.

    ``learning_rate = max(factor * learning_rate, min_lr)``

    Args:
        monitor: the name of the log.
        factor: of the learning rate, in (0, 1).
        patience: the number of epochs without improvement before the learning rate is lowered.
        verbose: 1 prints each new learning rate; 0 (default) does not.
        mode: `"min"` if lower values are better, `"max"` if higher ones are, `"auto"` (default)
            for losses and the metrics of Lamina.
        min_delta: the smallest change that counts as an improvement.
        cooldown: the number of epochs after a reduction in which no epoch counts.
        min_lr: the lowest learning rate; 0 by default, and for None.

    Raises:
        InputError: the factor is not in (0, 1) or the mode is unknown; or, when training begins,
            there is no such log or the optimizer has no learning rate that can be changed.

    >>> plateau = ReduceLROnPlateau(factor=0.5, patience=3, min_lr=1e-5)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: Mode = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float | None = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if not isinstance(cast(Any, factor), Real) or not 0 < factor < 1:
            raise InputError(
                explain(
                    "ReduceLROnPlateau would not lower the learning rate.",
                    expected="a factor in (0, 1)",
                    received=repr(factor),
                    remedy="Choose 0.5, for example.",
                )
            )
        check_numbers(self, min_lr=min_lr)
        self.factor = factor
        self.patience = as_count("patience", patience, 0, example=3)
        self.verbose = verbose
        self.cooldown = as_count("cooldown", cooldown, 0, example=2)
        self.min_lr = min_lr or 0.0
        self.wait = self.cooldown_counter = 0

    def _check_setup(self) -> None:
        _check_rate_can_be_set(self.model)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self.best = None
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        rate = float(self.trainer.learning_rate)
        if logs is not None:
            logs["learning_rate"] = rate
        value = self.current(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.best is None or self.improves(value, self.best):
            self.best = value
            self.wait = 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience and rate > np.float32(self.min_lr):
                self.trainer.learning_rate = max(rate * self.factor, self.min_lr)
                self.cooldown_counter, self.wait = self.cooldown, 0
                if self.verbose:
                    print_message(
                        f"epoch {epoch + 1}: learning rate {self.trainer.learning_rate:g}"
                    )

    _state_schema: ClassVar[Schema] = {
        "best": optional(is_number),
        "wait": is_count,
        "cooldown_counter": is_count,
    }

    def get_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._state_schema}

    def set_state(self, state: Mapping[str, Any]) -> None:
        vars(self).update({name: state[name] for name in self._state_schema})
