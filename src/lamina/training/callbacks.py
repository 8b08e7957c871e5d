"""Callbacks: what a user's code is told while a model is fitted, with Keras's names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["Callback", "Callbacks", "History"]


class Callback:
    """The base of callbacks: override what you want to hear of.

    `self.model` is the model; setting ``self.model.stop_training = True`` ends training after
    the epoch. Logs are plain numbers.
    """

    model: Any = None
    params: dict[str, Any] | None = None

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Training begins."""

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Training ended."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """An epoch, counted from 0, begins."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """An epoch ended, with its logs, those of validation as ``val_...``."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """A batch, counted from 0 in its epoch, begins."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """A batch ended; overriding this makes every step wait for its logs."""


class History(Callback):
    """What `fit` returns: ``history`` maps each name to its values, an epoch each."""

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class Callbacks:
    """Several callbacks as one."""

    def __init__(self, callbacks: Iterable[Any], model: Any, params: dict[str, Any]) -> None:
        self._all = list(callbacks)
        self.every_batch = any(_overrides_batches(callback) for callback in self._all)
        for callback in self._all:
            if hasattr(callback, "set_model"):
                callback.set_model(model)
            if hasattr(callback, "set_params"):
                callback.set_params(params)

    def tell(self, event: str, *args: Any) -> None:
        for callback in self._all:
            listener = getattr(callback, event, None)
            if listener is not None:
                listener(*args)


def _overrides_batches(callback: Any) -> bool:
    kind = callback.__class__
    for name in ("on_train_batch_begin", "on_train_batch_end"):
        method = getattr(kind, name, None)
        if method is not None and method is not getattr(Callback, name):
            return True
    return False
