"""A list of callbacks that is called as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from lamina.errors import InputError, explain
from lamina.training.callbacks.base import EVENTS, Callback, Logs
from lamina.training.callbacks.functions import LambdaCallback
from lamina.training.callbacks.history import History
from lamina.training.callbacks.log_names import LogNames
from lamina.training.callbacks.progress import ProgressBar
from lamina.training.checkpoints import schema

__all__ = ["CallbackList", "flattened"]

_FORMER_NAMES = {
    "on_train_batch_begin": "on_batch_begin",
    "on_train_batch_end": "on_batch_end",
}
"""Methods that call a method of a former name, unless they are overridden."""


def flattened(callbacks: Any) -> list[Any]:
    """Return the callbacks of an argument `callbacks` as a list.

    Args:
        callbacks: None, a callback, or lists and tuples of callbacks.

    Raises:
        InputError: an element is no callback.

    >>> flattened(None), len(flattened([Callback(), [Callback()]]))
    ([], 2)
    """
    if callbacks is None:
        return []
    if isinstance(callbacks, CallbackList):
        return callbacks.callbacks
    if isinstance(callbacks, list | tuple):
        nested = map(flattened, cast(Sequence[Any], callbacks))
        return [callback for part in nested for callback in part]
    methods = [event for event in EVENTS if callable(getattr(callbacks, event, None))]
    if methods and not isinstance(callbacks, type):
        return [callbacks]
    name = cast(Any, callbacks).__name__ if methods else "Callback"
    raise InputError(
        explain(
            "An element of callbacks is not a callback.",
            expected="instances of lamina.training.callbacks.Callback",
            received=f"the class {name}" if methods else repr(callbacks),
            remedy=f"Create an instance: callbacks=[{name}(...)]."
            if methods
            else "Pass callbacks=[...], or LambdaCallback(on_epoch_end=function) for a function.",
        )
    )


class CallbackList(Callback):
    """Several callbacks, which are called in their order.

    Each method of this class calls that method of all callbacks that override it.

    Args:
        callbacks: None, a callback, or lists and tuples of callbacks, of Lamina or of Keras.
        add_history: whether to append a :class:`History` if there is none; False by default.
        add_progbar: whether to append a :class:`ProgressBar` if there is none; False by default.
        model: passed to `set_model`; None (default) to omit it.
        params: passed to `set_params`.

    Attributes:
        callbacks: the list.

    Raises:
        InputError: an element is no callback.

    >>> callbacks = CallbackList([], add_history=True)
    >>> callbacks.on_epoch_end(0, {"loss": 0.5})
    >>> callbacks.callbacks[0].history
    {'loss': [0.5]}
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        self.callbacks = list(flattened(callbacks))
        if add_history and not self._has(History):
            self.callbacks.append(History())
        if add_progbar and not self._has(ProgressBar):
            self.callbacks.append(ProgressBar(params.get("verbose", "auto")))
        self._methods = {event: self._methods_of(event) for event in EVENTS}
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def _has(self, kind: type) -> bool:
        return any(isinstance(callback, kind) for callback in self.callbacks)

    def _methods_of(self, event: str) -> list[Callable[..., Any]]:
        found = [_method(callback, event) for callback in self.callbacks]
        return [method for method in found if method is not None]

    def set_model(self, model: Any) -> None:
        self.model = model
        for callback in self.callbacks:
            if hasattr(callback, "set_model"):
                callback.set_model(model)

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params
        for callback in self.callbacks:
            if hasattr(callback, "set_params"):
                callback.set_params(params)

    def handles(self, *events: str) -> bool:
        """Return whether a callback overrides the method of one of the events."""
        return any(self._methods[event] for event in events)

    def call(self, event: str, *args: Any) -> None:
        """Call the method of each callback for an event, such as `"on_epoch_end"`."""
        for method in self._methods[event]:
            method(*args)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.call("on_train_begin", {} if logs is None else logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.call("on_train_end", {} if logs is None else logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self.call("on_test_begin", {} if logs is None else logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        self.call("on_test_end", {} if logs is None else logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self.call("on_predict_begin", {} if logs is None else logs)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self.call("on_predict_end", {} if logs is None else logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.call("on_epoch_begin", epoch, {} if logs is None else logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.call("on_epoch_end", epoch, {} if logs is None else logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self.call("on_batch_begin", batch, {} if logs is None else logs)

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self.call("on_batch_end", batch, {} if logs is None else logs)

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self.call("on_train_batch_begin", batch, {} if logs is None else logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self.call("on_train_batch_end", batch, {} if logs is None else logs)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self.call("on_test_batch_begin", batch, {} if logs is None else logs)

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self.call("on_test_batch_end", batch, {} if logs is None else logs)

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self.call("on_predict_batch_begin", batch, {} if logs is None else logs)

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self.call("on_predict_batch_end", batch, {} if logs is None else logs)

    def on_progress(self, step: int, logs: Logs | None = None) -> None:
        self.call("on_progress", step, {} if logs is None else logs)

    def check_setup(self) -> None:
        """Check the options of the callbacks of Lamina before training.

        Raises:
            InputError: an option is invalid.
            OSError: a folder or file cannot be written to.
        """
        for callback in self.callbacks:
            if isinstance(callback, Callback):
                callback._check_setup()

    def check_names(self, names: LogNames) -> None:
        """Check the names of logs in the options of the callbacks of Lamina.

        Args:
            names: of the logs.

        Raises:
            InputError: there is no log of a name.
        """
        for callback in self.callbacks:
            if isinstance(callback, Callback):
                callback._check_names(names)
            if _may_add_logs(callback):
                names = replace(names, may_be_added=True)

    def inspect(self, steps: int, batch: Callable[[], Any]) -> None:
        """Offer the batch of the last step to the callbacks of Lamina.

        Args:
            steps: the number of steps made.
            batch: returns the batch.
        """
        for callback in self.callbacks:
            if isinstance(callback, Callback):
                callback._inspect(steps, batch)

    def states(self) -> list[tuple[str, Any]]:
        """Return the class name and a copy of the state of each callback, for a checkpoint.

        A thread writes it while the callbacks go on.
        """
        stateful = [callback for callback in self.callbacks if isinstance(callback, Callback)]
        return [(type(callback).__name__, _copied(callback.get_state())) for callback in stateful]

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


def _may_add_logs(callback: Any) -> bool:
    """Return whether a callback that is not one of Lamina handles the logs of an epoch."""
    own = type(callback).__module__.startswith("lamina.training.")
    if own and not isinstance(callback, LambdaCallback):
        return False
    return any(_method(callback, event) for event in ("on_epoch_end", "on_test_end"))


def _method(callback: Any, event: str) -> Callable[..., Any] | None:
    """Return a callback's method for an event; None if it does nothing.

    `on_train_batch_end` of a base class calls `on_batch_end`, which is then the method.
    """
    method = getattr(callback, event, None)
    if not callable(method):
        method = None
    elif not _is_default(callback, event):
        return method
    former = _FORMER_NAMES.get(event)
    return None if former is None else _method(callback, former)


def _is_default(callback: Any, event: str) -> bool:
    """Return whether a method is that of the base class, of Lamina or of Keras."""
    method = getattr(callback, event)
    if event in getattr(callback, "__dict__", {}):
        return False
    function = getattr(cast(Any, type(callback)), event, None)
    return function is getattr(Callback, event) or getattr(method, "_is_default", False)


def _copied(state: Any) -> Any:
    """Copy what may be changed in place in a tree of dicts, lists and arrays."""
    if isinstance(state, Mapping):
        return {key: _copied(value) for key, value in cast("Mapping[str, Any]", state).items()}
    if isinstance(state, list | tuple):
        return [_copied(value) for value in cast("Sequence[Any]", state)]
    value: Any = state
    return value.copy() if isinstance(state, np.ndarray) else value
