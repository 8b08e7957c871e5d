"""Several callbacks as one: each is told of what it has ears for, and costs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from lamina.training.callbacks.base import EVENTS, Callback
from lamina.training.checkpoints import records

__all__ = ["Callbacks", "DeviceLogs", "plain"]


class DeviceLogs(MutableMapping[str, Any]):
    """Logs whose numbers are on the device until one of them is read.

    >>> logs = DeviceLogs({"loss": np.float32(0.5)})
    >>> logs["loss"], list(logs)
    (0.5, ['loss'])
    """

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> Any:
        return plain(self._arrays[name])

    def __setitem__(self, name: str, value: Any) -> None:
        self._arrays[name] = value

    def __delitem__(self, name: str) -> None:
        del self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return repr(dict(self))


def plain(value: Any) -> Any:
    """A number, or a list of several, from an array.

    >>> plain(np.array([1.0, 2.0])), plain(np.float32(0.5))
    ([1.0, 2.0], 0.5)
    """
    return np.asarray(value, np.float64).tolist()


class Callbacks:
    """Several callbacks as one."""

    def __init__(self, callbacks: Iterable[Any], model: Any, params: dict[str, Any]) -> None:
        self.all = list(callbacks)
        for callback in self.all:
            if hasattr(callback, "set_model"):
                callback.set_model(model)
            if hasattr(callback, "set_params"):
                callback.set_params(params)
        self._listeners = {event: self._ears(event) for event in EVENTS}
        self.every_batch = self.hears("on_train_batch_begin") or self.hears("on_train_batch_end")

    def _ears(self, event: str) -> list[Callable[..., Any]]:
        return [getattr(callback, event) for callback in self.all if _overrides(callback, event)]

    def hears(self, event: str) -> bool:
        """Whether any callback listens to that."""
        return bool(self._listeners[event])

    def tell(self, event: str, *args: Any) -> None:
        for listener in self._listeners[event]:
            listener(*args)

    def states(self) -> list[tuple[str, Any]]:
        """What a checkpoint keeps of each callback, with the name of its class."""
        keepers = [callback for callback in self.all if isinstance(callback, Callback)]
        return [(type(callback).__name__, callback.get_state()) for callback in keepers]

    def check_states(self, states: Sequence[Sequence[Any]]) -> None:
        """See that states are such as Lamina's own callbacks give.

        Raises:
            FileFormatError: one is not.
        """
        for callback, state in self._paired(states):
            if type(callback).set_state.__module__.startswith("lamina."):
                records.check(f"the state of {type(callback).__name__}", state, callback._kinds)

    def set_states(self, states: Sequence[Sequence[Any]]) -> None:
        """Give the callbacks their states back."""
        for callback, state in self._paired(states):
            callback.set_state(state)

    def _paired(self, states: Sequence[Sequence[Any]]) -> Iterator[tuple[Callback, Any]]:
        """Callbacks with their states: those of one class in their order."""
        left = list(states)
        for callback in self.all:
            kind = type(callback).__name__
            at = next((index for index, entry in enumerate(left) if entry[0] == kind), None)
            if at is not None and isinstance(callback, Callback):
                yield callback, left.pop(at)[1]


def _overrides(callback: Any, event: str) -> bool:
    if not callable(getattr(callback, event, None)):
        return False
    own = event in getattr(callback, "__dict__", {})
    return own or getattr(callback.__class__, event, None) is not getattr(Callback, event)
