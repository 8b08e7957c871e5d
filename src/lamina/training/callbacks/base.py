"""The base class of callbacks, the history that `fit` returns, and a callback of functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias, cast

from lamina.training.checkpoints import schema

__all__ = ["EVENTS", "Callback", "History", "LambdaCallback", "Logs", "trainer_of"]

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
"""The names of the methods of callbacks."""

Logs: TypeAlias = Mapping[str, Any]
"""Numbers, or lists of numbers, by name."""


class Callback:
    """The base class of callbacks: override the methods of the events to handle.

    In the methods, ``self.model`` is the model, and ``self.model.stop_training = True`` ends
    training after the present epoch. Logs map names to Python numbers. Reading a log of
    `on_train_batch_end` or `on_progress` waits for the device; reading others does not.

    Attributes:
        model: the model that is trained.
        params: a dict with `epochs` (the number of the last epoch), `steps` (in an epoch; None if
            unknown), `verbose`, `logs` (the names of the logs of an epoch; None if unknown) and
            `validation_freq`.

    >>> class Losses(Callback):
    ...     def __init__(self):
    ...         self.values = []
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         self.values.append(logs["loss"])
    """

    model: Any = None
    params: dict[str, Any] | None = None
    _state_schema: ClassVar[schema.Schema] = {}
    """The entries of the state, if `set_state` is one of Lamina's; a checkpoint must have them."""

    def set_model(self, model: Any) -> None:
        """Set ``self.model``; called before training.

        Args:
            model: the model.
        """
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Set ``self.params``; called before training.

        Args:
            params: the options of `fit`.
        """
        self.params = params

    def get_state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of this callback.

        Returns:
            A dict of arrays, and of values that JSON can hold.
        """
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a state that `get_state` returned; called after `on_train_begin` on resuming.

        Args:
            state: the dict.
        """

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called before the first epoch.

        Args:
            logs: empty.
        """

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called after the last epoch.

        Args:
            logs: of the last epoch.
        """

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called before an epoch.

        Args:
            epoch: its number, from 0.
            logs: empty.
        """

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Called after an epoch and its validation.

        Args:
            epoch: its number, from 0.
            logs: the loss and metrics, those of validation as ``val_...``. Entries that are added
                to the dict appear in the history and in later callbacks.
        """

    def on_progress(self, step: int, logs: Logs | None = None) -> None:
        """Called about five times a second, between steps.

        Args:
            step: the number of steps made in this epoch.
            logs: the loss and metrics of these steps.
        """

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a step. If it is overridden, steps are run one at a time.

        Args:
            batch: the number of the batch in its epoch, from 0.
            logs: empty.
        """

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called once a step was dispatched. If it is overridden, steps are run one at a time.

        Args:
            batch: the number of the batch in its epoch, from 0.
            logs: the loss and metrics of the epoch up to this step.
        """

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Called before an evaluation or a validation.

        Args:
            logs: empty.
        """

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Called after an evaluation or a validation.

        Args:
            logs: its loss and metrics.
        """

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Called before a prediction.

        Args:
            logs: empty.
        """

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Called after a prediction.

        Args:
            logs: empty.
        """


def trainer_of(model: Any) -> Any:
    """Return the trainer of a compiled model."""
    return model._lamina.training_state


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


class LambdaCallback(Callback):
    """A callback made of functions.

    Args:
        on_epoch_begin: called with ``(epoch, logs)``; each is None by default.
        on_epoch_end: called with ``(epoch, logs)``.
        on_train_begin: called with ``(logs)``.
        on_train_end: called with ``(logs)``.
        on_train_batch_begin: called with ``(batch, logs)``.
        on_train_batch_end: called with ``(batch, logs)``.
        others: further methods of :class:`Callback` by name, such as `on_progress`.

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
        functions = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **others,
        }
        for name, function in functions.items():
            if function is not None:
                setattr(self, name, function)
