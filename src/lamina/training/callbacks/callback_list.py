"""A list of callbacks that is called as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from lamina.training.callbacks.base import EVENTS, Callback
from lamina.training.checkpoints import schema

__all__ = ["CallbackList"]


class CallbackList:
    """Several callbacks. Only the methods that a callback overrides are called.

    Args:
        callbacks: of Lamina or of Keras.
        model: passed to `set_model`.
        params: passed to `set_params`.

    Attributes:
        every_batch: whether a callback has a method for single batches.
    """

    def __init__(self, callbacks: Iterable[Any], model: Any, params: dict[str, Any]) -> None:
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if hasattr(callback, "set_model"):
                callback.set_model(model)
            if hasattr(callback, "set_params"):
                callback.set_params(params)
        self._methods = {event: self._methods_of(event) for event in EVENTS}
        self.every_batch = self.handles("on_train_batch_begin") or self.handles(
            "on_train_batch_end"
        )

    def _methods_of(self, event: str) -> list[Callable[..., Any]]:
        return [getattr(one, event) for one in self.callbacks if _overrides(one, event)]

    def handles(self, event: str) -> bool:
        """Return whether a callback has a method for the event."""
        return bool(self._methods[event])

    def call(self, event: str, *args: Any) -> None:
        """Call the method of each callback for an event, such as `"on_epoch_end"`."""
        for method in self._methods[event]:
            method(*args)

    def states(self) -> list[tuple[str, Any]]:
        """Return the class name and the state of each callback, for a checkpoint."""
        stateful = [callback for callback in self.callbacks if isinstance(callback, Callback)]
        return [(type(callback).__name__, callback.get_state()) for callback in stateful]

    def check_states(self, states: Sequence[Sequence[Any]]) -> None:
        """Check states of a checkpoint for the callbacks of Lamina.

        Raises:
            FileFormatError: one is invalid.
        """
        for callback, state in self._paired(states):
            if type(callback).set_state.__module__.startswith("lamina."):
                what = f"the state of {type(callback).__name__}"
                schema.check(what, state, callback._state_schema)

    def set_states(self, states: Sequence[Sequence[Any]]) -> None:
        """Restore the states of a checkpoint."""
        for callback, state in self._paired(states):
            callback.set_state(state)

    def _paired(self, states: Sequence[Sequence[Any]]) -> Iterator[tuple[Callback, Any]]:
        """Yield callbacks with their states; those of one class in their order."""
        left = list(states)
        for callback in self.callbacks:
            name = type(callback).__name__
            at = next((index for index, entry in enumerate(left) if entry[0] == name), None)
            if at is not None and isinstance(callback, Callback):
                yield callback, left.pop(at)[1]


def _overrides(callback: Any, event: str) -> bool:
    if not callable(getattr(callback, event, None)):
        return False
    on_instance = event in getattr(callback, "__dict__", {})
    on_class = getattr(callback.__class__, event, None) is not getattr(Callback, event)
    return on_instance or on_class
