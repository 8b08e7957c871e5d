"""The logs of all epochs, which `fit` returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from lamina.training.callbacks.base import Callback, Logs
from lamina.training.checkpoints import schema

__all__ = ["History"]


def _is_dict_of_lists(value: Any) -> bool:
    return isinstance(value, dict) and all(map(schema.is_list, cast(Any, value).values()))


class History(Callback):
    """The logs of all epochs, which `fit` returns.

    Attributes:
        epoch: the numbers of the epochs, from 0.
        history: a list of values, one an epoch, for each log by name.

    >>> history = History()
    >>> history.on_epoch_end(0, {"loss": 0.5})
    >>> history.history
    {'loss': [0.5]}
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epoch.append(epoch)
        values: Mapping[str, float] = logs or {}
        for name, value in values.items():
            self.history.setdefault(name, []).append(value)

    _state_schema: ClassVar[schema.Schema] = {
        "epoch": schema.is_list,
        "history": _is_dict_of_lists,
    }

    def get_state(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "history": self.history}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.epoch = list(state["epoch"])
        self.history = {name: list(values) for name, values in state["history"].items()}
