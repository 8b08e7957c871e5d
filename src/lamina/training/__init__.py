"""Training: a pure step, a loop of steps, and what is told along the way; for any layer."""

from lamina.training.callbacks import Callback, History
from lamina.training.finite import NotFiniteError
from lamina.training.trainer import Trainer

__all__ = ["Callback", "History", "NotFiniteError", "Trainer"]
