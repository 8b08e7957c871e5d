"""Callbacks: what a user's code is told while a model is trained, with Keras's names."""

from lamina.training.callbacks.averages import SwapEMAWeights
from lamina.training.callbacks.base import Callback, History, LambdaCallback
from lamina.training.callbacks.checkpoints import BackupAndRestore, ModelCheckpoint
from lamina.training.callbacks.learning_rates import LearningRateScheduler, ReduceLROnPlateau
from lamina.training.callbacks.logs import CSVLogger, TensorBoard
from lamina.training.callbacks.monitoring import EarlyStopping
from lamina.training.callbacks.nan_guard import TerminateOnNaN
from lamina.training.callbacks.progress import ProgressBar

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
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
