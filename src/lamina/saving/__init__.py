"""Files of weights, whole models and exported programs; nothing in them is unpickled."""

from lamina.saving.config import from_config, get_config
from lamina.saving.exported import Exported, load_exported
from lamina.saving.exporting import export
from lamina.saving.models import TrainingArrays, load, save
from lamina.saving.weights import check_overwrite, load_weights, save_weights

__all__ = [
    "Exported",
    "TrainingArrays",
    "check_overwrite",
    "export",
    "from_config",
    "get_config",
    "load",
    "load_exported",
    "load_weights",
    "save",
    "save_weights",
]
