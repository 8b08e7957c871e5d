"""Callbacks: what a user's code is told while a model is trained, with Keras's names."""

from lamina.training.callbacks.averages import SwapEMAWeights
from lamina.training.callbacks.base import Callback, History, LambdaCallback
from lamina.training.callbacks.guarding import TerminateOnNaN
from lamina.training.callbacks.monitoring import EarlyStopping
from lamina.training.callbacks.rates import LearningRateScheduler, ReduceLROnPlateau
from lamina.training.callbacks.saving import BackupAndRestore, ModelCheckpoint
from lamina.training.callbacks.showing import ProgressBar
from lamina.training.callbacks.writing import CSVLogger, TensorBoard

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
