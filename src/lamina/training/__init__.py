"""Training: a pure step, a loop of steps, and what is told along the way; for any layer."""

from lamina.training.callbacks import Callback, History
from lamina.training.loop.trainer import Trainer
from lamina.training.nonfinite.search import NotFiniteError

__all__ = ["Callback", "History", "NotFiniteError", "Trainer"]
