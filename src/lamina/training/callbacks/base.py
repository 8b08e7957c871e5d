"""The base of callbacks, what `fit` returns, and a callback made of functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

from lamina.training.checkpoints import records

__all__ = ["EVENTS", "Callback", "History", "LambdaCallback"]

EVENTS = tuple(
    f"on_{name}"
    for name in (
        "train_begin",
        "train_end",
        "epoch_begin",
        "epoch_end",
        "progress",
        "train_batch_begin",
        "train_batch_end",
        "test_begin",
        "test_end",
        "predict_begin",
        "predict_end",
    )
)
"""What callbacks are told of."""

Logs = Mapping[str, Any]


class Callback:
    """The base of callbacks: override what you want to hear of.

    `self.model` is the model; setting ``self.model.stop_training = True`` ends training after
    the epoch. Logs map names to plain numbers. Those of batches wait for the device when one of
    them is read, and not before; of the others, reading is free.

    >>> class Losses(Callback):
    ...     def __init__(self):
    ...         self.all = []
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         self.all.append(logs["loss"])
    """

    model: Any = None
    params: dict[str, Any] | None = None
    _kinds: ClassVar[records.Kinds] = {}
    """The entries of a state, where `set_state` is Lamina's: one without them is damaged."""

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint keeps of this callback: a dict of what JSON can hold, and arrays."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` gave; told after `on_train_begin` of a resumed run."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Training begins."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Training ended."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """An epoch, counted from 0, begins."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """An epoch ended, with its logs, those of validation as ``val_...``; more may be added."""

    def on_progress(self, step: int, logs: Logs | None = None) -> None:
        """Some steps were made, `step` of them in this epoch; told about five times a second."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """A batch, counted from 0 in its epoch, begins; overriding this makes steps single."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """A batch was handed to the device; overriding this makes steps single."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """An evaluation begins."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """An evaluation ended, with its logs."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """A prediction begins."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """A prediction ended."""


def _is_lists(value: Any) -> bool:
    return isinstance(value, dict) and all(map(records.is_list, cast(Any, value).values()))


class History(Callback):
    """What `fit` returns: ``history`` maps each name to its values, an epoch each."""

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epoch.append(epoch)
        given: Mapping[str, float] = logs or {}
        for name, value in given.items():
            self.history.setdefault(name, []).append(value)

    _kinds: ClassVar[records.Kinds] = {"epoch": records.is_list, "history": _is_lists}

    def get_state(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "history": self.history}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.epoch = list(state["epoch"])
        self.history = {name: list(values) for name, values in state["history"].items()}


class LambdaCallback(Callback):
    """A callback made of functions, by the name of what they hear of.

    >>> losses = []
    >>> callback = LambdaCallback(on_epoch_end=lambda epoch, logs: losses.append(logs["loss"]))
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **others: Callable[..., Any],
    ) -> None:
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **others,
        }
        for name, function in given.items():
            if function is not None:
                setattr(self, name, function)
