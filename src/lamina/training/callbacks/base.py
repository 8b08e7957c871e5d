"""The base class of callbacks: the methods that `fit`, `evaluate` and `predict` call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

from lamina.training.callbacks.log_names import LogNames
from lamina.training.checkpoints import schema

__all__ = ["EVENTS", "Callback", "Logs", "trainer_of"]

EVENTS = tuple(
    f"on_{name}"
    for name in (
        "train_begin",
        "train_end",
        "epoch_begin",
        "epoch_end",
        "progress",
        "batch_begin",
        "batch_end",
        "train_batch_begin",
        "train_batch_end",
        "test_begin",
        "test_end",
        "test_batch_begin",
        "test_batch_end",
        "predict_begin",
        "predict_end",
        "predict_batch_begin",
        "predict_batch_end",
    )
)
"""The names of the methods of callbacks that are called for an event."""

Logs: TypeAlias = Mapping[str, Any]
"""Numbers, or lists of numbers, by name."""


class Callback:
    """The base class of callbacks: override the methods of the events to handle.

    In the methods, ``self.model`` is the model, and ``self.model.stop_training = True`` ends
    training after the present batch and its epoch's validation; `stop_evaluating` ends an
    evaluation and `stop_predicting` a prediction in the same way. Logs map names to Python
    numbers. Reading a log of a batch or of `on_progress` waits for the device; reading others does
    not.

    Attributes:
        model: the model that is trained, evaluated or used for prediction.
        params: a dict with `epochs` (the number of the last epoch), `steps` (in an epoch; None if
            unknown), `verbose`, `logs` (the names of the logs of an epoch; None if unknown) and
            `validation_freq`; the last two in `fit` only.

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

    def _check_setup(self) -> None:
        """Check the options of a callback of Lamina before training."""

    def _check_names(self, names: LogNames) -> None:
        """Check the names of logs in the options, before training and after its first step."""

    def _inspect(self, steps: int, batch: Callable[[], Any]) -> None:
        """Called between steps, about as often as `on_progress`, before the batch is released."""

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

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """The former name of `on_train_batch_begin`, which calls it.

        Args:
            batch: the number of the batch in its epoch, from 0.
            logs: empty.
        """

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """The former name of `on_train_batch_end`, which calls it.

        Args:
            batch: the number of the batch in its epoch, from 0.
            logs: the loss and metrics of the epoch up to this step.
        """

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a step. If it is overridden, steps are run one at a time.

        With a number of ``steps_per_execution``, it is called before each execution.

        Args:
            batch: the number of the batch in its epoch, from 0.
            logs: empty.
        """
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called once a step was dispatched. If it is overridden, steps are run one at a time.

        With a number of ``steps_per_execution``, it is called after each execution.

        Args:
            batch: the number of the batch in its epoch, from 0.
            logs: the loss and metrics of the epoch up to this step.
        """
        self.on_batch_end(batch, logs)

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

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch of an evaluation or a validation. If it is overridden, batches are
        evaluated one at a time.

        Args:
            batch: the number of the batch, from 0.
            logs: empty.
        """

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called once a batch of an evaluation or a validation was dispatched. If it is overridden,
        batches are evaluated one at a time.

        Args:
            batch: the number of the batch, from 0.
            logs: the loss and metrics of the batches up to this one.
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

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch of a prediction.

        Args:
            batch: the number of the batch, from 0.
            logs: empty.
        """

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called once a batch of a prediction was dispatched.

        Args:
            batch: the number of the batch, from 0.
            logs: `outputs`, those of this batch, on the device.
        """


def trainer_of(model: Any) -> Any:
    """Return the trainer of a compiled model."""
    return model._lamina.trainer
