"""Callbacks that watch one number: which way is better, and stopping when it no longer improves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from lamina.core.calling import views
from lamina.errors import InputError, explain
from lamina.training.callbacks.base import Callback
from lamina.training.checkpoints.records import Kinds, is_count, is_dict, is_number, optional

__all__ = ["EarlyStopping", "Monitor"]


class Monitor(Callback):
    """The base of callbacks that watch one of the logs.

    Args:
        monitor: its name, ``val_loss`` for example.
        mode: `"min"` or `"max"` is better; `"auto"` knows it of losses and of Lamina's metrics.
        min_delta: a change that is not above it is no improvement.

    Raises:
        InputError: the mode is none of those; or, as training begins, there is no such log.
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", min_delta: float = 0.0
    ) -> None:
        if mode not in ("auto", "min", "max"):
            raise InputError(
                explain(
                    f"{type(self).__name__} got an unknown mode.",
                    expected="'auto', 'min' or 'max'",
                    received=repr(mode),
                    remedy="Leave it out where a loss is watched.",
                )
            )
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self.best: float | None = None

    @property
    def trainer(self) -> Any:
        """The trainer of the model."""
        return self.model._lamina.trainer

    def current(self, logs: Mapping[str, Any] | None) -> float | None:
        """The number watched; None in an epoch without validation.

        Raises:
            InputError: it is not among the logs.
        """
        found = (logs or {}).get(self.monitor)
        if found is None:
            if (
                self.monitor.startswith("val_")
                and (self.params or {}).get("validation_freq", 1) > 1
            ):
                return None
            raise InputError(self._missing(list(logs or {})))
        return float(found)

    def improves(self, value: float, on: float | None) -> bool:
        """Whether a value is better than another; any but NaN is better than none."""
        if math.isnan(value):
            return False
        if on is None:
            return True
        if self._up():
            return value - self.min_delta > on
        return value + self.min_delta < on

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        names = (self.params or {}).get("logs")
        if names is not None and self.monitor not in names:
            raise InputError(self._missing(names))

    def _up(self) -> bool:
        if self.mode != "auto":
            return self.mode == "max"
        name = self.monitor.removeprefix("val_")
        direction = self.trainer.objective.direction(name)
        if direction is None:
            raise InputError(
                explain(
                    f"{type(self).__name__} cannot tell which way {self.monitor!r} is better.",
                    expected="a loss, or one of lamina.metrics",
                    received=repr(self.monitor),
                    remedy="Pass mode='max' or mode='min'.",
                )
            )
        return direction == "up"

    def _missing(self, names: list[str]) -> str:
        no_validation = self.monitor.startswith("val_") and not any(
            name.startswith("val_") for name in names
        )
        return explain(
            f"{type(self).__name__} watches {self.monitor!r}, which is not among the logs.",
            expected=f"one of {', '.join(names)}",
            received=repr(self.monitor),
            remedy="Give fit validation_data or validation_split."
            if no_validation
            else "Watch one of those, or add the metric to compile(metrics=...).",
        )


class EarlyStopping(Monitor):
    """Stops training when a number has not improved for some epochs.

    Args:
        monitor, min_delta, mode: see :class:`Monitor`.
        patience: how many epochs without improvement are borne.
        verbose: 1 says when it stops.
        baseline: an improvement counts only if it is better than this, too.
        restore_best_weights: give the model the weights of the best epoch when training ends.
        start_from_epoch: epochs before this one do not count.

    >>> stopping = EarlyStopping(patience=3, restore_best_weights=True)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._reset()

    def _reset(self) -> None:
        self.best = None
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: Mapping[str, Any] | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value = self.current(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.improves(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = views.values(self.model)
            if self.baseline is None or self.improves(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self.verbose and self.stopped_epoch:
            print(f"epoch {self.stopped_epoch + 1}: stopped early")
        if self.best_weights is not None:
            views.set_values(self.model, self.best_weights)
            if self.verbose:
                print(f"the weights of epoch {self.best_epoch + 1} are back")

    _kinds: ClassVar[Kinds] = {
        "best": optional(is_number),
        "wait": is_count,
        "stopped_epoch": is_count,
        "best_epoch": is_count,
        "best_weights": optional(is_dict),
    }

    def get_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._kinds}

    def set_state(self, state: Mapping[str, Any]) -> None:
        vars(self).update({name: state[name] for name in self._kinds})
