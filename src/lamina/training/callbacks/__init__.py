"""Callbacks, with the names and arguments of Keras: user code that runs during training."""

from typing import Never

from lamina.errors import explain
from lamina.training.callbacks.averages import SwapEMAWeights
from lamina.training.callbacks.base import Callback
from lamina.training.callbacks.callback_list import CallbackList
from lamina.training.callbacks.dashboard import Dashboard
from lamina.training.callbacks.functions import LambdaCallback
from lamina.training.callbacks.history import History
from lamina.training.callbacks.learning_rates import LearningRateScheduler, ReduceLROnPlateau
from lamina.training.callbacks.logs import CSVLogger
from lamina.training.callbacks.monitoring import EarlyStopping
from lamina.training.callbacks.nan_guard import TerminateOnNaN
from lamina.training.callbacks.progress import ProgressBar
from lamina.training.callbacks.saving import BackupAndRestore, ModelCheckpoint
from lamina.training.callbacks.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "Dashboard",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgressBar",
    "ReduceLROnPlateau",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]

_REPLACEMENTS = {
    "OrbaxCheckpoint": "Use ModelCheckpoint, or fit(checkpoint_dir=...) for the state of training.",
    "ProgbarLogger": "Use ProgressBar; fit adds one unless verbose is 0.",
    "RemoteMonitor": "Send the logs in LambdaCallback(on_epoch_end=lambda epoch, logs: ...).",
}
"""Callbacks of Keras that Lamina does not have, and what to use instead."""


def __getattr__(name: str) -> Never:
    if name in _REPLACEMENTS:
        raise AttributeError(
            explain(f"Lamina has no callback {name!r}.", remedy=_REPLACEMENTS[name])
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
