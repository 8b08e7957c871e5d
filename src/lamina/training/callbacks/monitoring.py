"""Callbacks that monitor one log; early stopping."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeAlias, cast

import numpy as np

from lamina.core.calling import views
from lamina.core.tree.node import Tracked
from lamina.counts import as_count
from lamina.errors import InputError, explain
from lamina.training.callbacks.base import Callback, trainer_of
from lamina.training.callbacks.log_names import LogNames
from lamina.training.callbacks.messages import print_message
from lamina.training.callbacks.options import check_numbers
from lamina.training.checkpoints.schema import Schema, is_count, is_dict, is_number, optional

__all__ = ["EarlyStopping", "Mode", "Monitor"]

Mode: TypeAlias = Literal["auto", "min", "max"]
"""Whether lower or higher values are better; `"auto"` infers it from the name."""


class Monitor(Callback):
    """The base class of callbacks that monitor one log.

    Args:
        monitor: the name of the log.
        mode: `"min"` if lower values are better, `"max"` if higher ones are, `"auto"` (default)
            for losses and the metrics of Lamina.
        min_delta: the smallest change that counts as an improvement.

    Attributes:
        monitor_op: `numpy.greater` if higher values of the log are better, `numpy.less` if lower
            ones are; None before training.

    Raises:
        InputError: the mode is unknown; or, when training begins, there is no such log.
    """

    monitor_op: Any = None

    def __init__(
        self, monitor: str = "val_loss", mode: Mode = "auto", min_delta: float = 0.0
    ) -> None:
        if mode not in ("auto", "min", "max"):
            raise InputError(
                explain(
                    f"{type(self).__name__} got an unknown mode.",
                    expected="'auto', 'min' or 'max'",
                    received=repr(mode),
                    remedy="Omit it when the log is a loss.",
                )
            )
        if not isinstance(cast(Any, monitor), str):
            raise InputError(
                explain(
                    f"monitor of {type(self).__name__} is not a name.",
                    expected="the name of a log, such as 'val_loss'",
                    received=repr(monitor),
                    remedy="Pass a string.",
                )
            )
        check_numbers(self, min_delta=min_delta)
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self.best: float | None = None

    @property
    def trainer(self) -> Any:
        """The trainer of the model."""
        return trainer_of(self.model)

    def current(self, logs: Mapping[str, Any] | None) -> float | None:
        """Return the monitored log, of one element, as a float.

        It is None in an epoch without validation.

        Raises:
            InputError: there is no such log.
        """
        found: Any = (logs or {}).get(self.monitor)
        if found is None:
            if (
                self.monitor.startswith("val_")
                and (self.params or {}).get("validation_freq", 1) != 1
            ):
                return None
            raise InputError(self._missing(list(logs or {})))
        try:
            return float(np.asarray(found).reshape(()).item())
        except (TypeError, ValueError):
            raise InputError(
                explain(
                    f"{type(self).__name__} monitors {self.monitor!r}, which is not a number.",
                    expected="a log that is one number",
                    received=repr(found),
                    remedy="Monitor another log, or add a metric that returns a scalar.",
                )
            ) from None

    def improves(self, value: float, best: float | None) -> bool:
        """Return whether a value is better than `best`; any number is better than None or NaN."""
        if math.isnan(value):
            return False
        if best is None or math.isnan(best):
            return True
        if self._higher_is_better():
            return value - self.min_delta > best
        return value + self.min_delta < best

    def _check_names(self, names: LogNames) -> None:
        if names.exclude(self.monitor):
            raise InputError(self._missing(names.epoch))
        if self.monitor in names.epoch:
            self._higher_is_better()

    def _higher_is_better(self) -> bool:
        self.monitor_op = np.greater if self._infer_mode() == "max" else np.less
        return self.monitor_op is np.greater

    def _infer_mode(self) -> str:
        name = self.monitor.removeprefix("val_")
        if self.mode != "auto" or name == "loss":
            return "max" if self.mode == "max" else "min"
        direction = self.trainer.objective.direction(name)
        if direction is None:
            raise InputError(
                explain(
                    f"{type(self).__name__} cannot infer whether lower or higher values of "
                    f"{self.monitor!r} are better.",
                    expected="a loss, or a metric of lamina.metrics",
                    received=repr(self.monitor),
                    remedy="Pass mode='max' or mode='min'.",
                )
            )
        return "max" if direction == "up" else "min"

    def _missing(self, names: Sequence[str]) -> str:
        no_validation = self.monitor.startswith("val_") and not any(
            name.startswith("val_") for name in names
        )
        return explain(
            f"{type(self).__name__} monitors {self.monitor!r}, which is not among the logs.",
            expected=f"one of {', '.join(names)}",
            received=repr(self.monitor),
            remedy="Pass validation_data or validation_split to fit."
            if no_validation
            else "Monitor one of those, or add the metric to compile(metrics=...).",
        )


class EarlyStopping(Monitor):
    """Stops training when a log has stopped improving.

    Args:
        monitor: the name of the log.
        min_delta: the smallest change that counts as an improvement.
        patience: the number of epochs without improvement before training stops.
        verbose: 1 prints when training stops; 0 (default) does not.
        mode: `"min"` if lower values are better, `"max"` if higher ones are, `"auto"` (default)
            for losses and the metrics of Lamina.
        baseline: an epoch counts as an improvement only if it is also better than this value;
            None (default) for no such condition.
        restore_best_weights: whether the model gets the weights of the best epoch when training
            ends; False by default. If no epoch has a number, the first one counts as the best.
        start_from_epoch: the first epoch that counts, from 0.

    Raises:
        InputError: the mode is unknown; or, when training begins, there is no such log.

    >>> stopping = EarlyStopping(patience=3, restore_best_weights=True)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: Mode = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        check_numbers(self, baseline=baseline)
        self.patience = as_count("patience", patience, 0, example=3)
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = as_count("start_from_epoch", start_from_epoch, 0, example=5)
        self._reset()

    def _reset(self) -> None:
        self.best = None
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: Any = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value = self.current(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.best is None or self.improves(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = _weights(self.model)
            if self.baseline is None or self.improves(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self.verbose and self.stopped_epoch:
            print_message(f"epoch {self.stopped_epoch + 1}: stopped early")
        if self.best_weights is not None:
            _set_weights(self.model, self.best_weights)
            if self.verbose:
                print_message(f"restored the weights of epoch {self.best_epoch + 1}")

    _state_schema: ClassVar[Schema] = {
        "best": optional(is_number),
        "wait": is_count,
        "stopped_epoch": is_count,
        "best_epoch": is_count,
        "best_weights": optional(is_dict),
    }

    def get_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._state_schema}

    def set_state(self, state: Mapping[str, Any]) -> None:
        vars(self).update({name: state[name] for name in self._state_schema})


def _weights(model: Any) -> Any:
    """Return the weights of a model; one that is no layer has Keras's `get_weights`."""
    return views.values(model) if isinstance(model, Tracked) else model.get_weights()


def _set_weights(model: Any, weights: Any) -> None:
    if isinstance(model, Tracked):
        views.set_values(model, weights)
    else:
        model.set_weights(weights)
