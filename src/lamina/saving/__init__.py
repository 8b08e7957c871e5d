"""Files: weights, and whole models, as safetensors. Nothing is ever unpickled or executed."""

from lamina.saving.models import load, save
from lamina.saving.weights import load_weights, save_weights

__all__ = ["load", "load_weights", "save", "save_weights"]
