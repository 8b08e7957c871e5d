"""Training of any layer: steps, the loop of `fit`, optimizers, callbacks and checkpoints."""

from lamina.training.callbacks import Callback, History
from lamina.training.loop.trainer import Trainer
from lamina.training.nonfinite.search import NotFiniteError

__all__ = ["Callback", "History", "NotFiniteError", "Trainer"]
