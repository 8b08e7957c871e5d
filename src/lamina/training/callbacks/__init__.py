"""Callbacks, with the names and arguments of Keras: user code that runs during training."""

from lamina.training.callbacks.averages import SwapEMAWeights
from lamina.training.callbacks.base import Callback
from lamina.training.callbacks.callback_list import CallbackList
from lamina.training.callbacks.functions import LambdaCallback
from lamina.training.callbacks.history import History
from lamina.training.callbacks.learning_rates import LearningRateScheduler, ReduceLROnPlateau
from lamina.training.callbacks.logs import CSVLogger, TensorBoard
from lamina.training.callbacks.monitoring import EarlyStopping
from lamina.training.callbacks.nan_guard import TerminateOnNaN
from lamina.training.callbacks.progress import ProgressBar
from lamina.training.callbacks.saving import BackupAndRestore, ModelCheckpoint

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
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
