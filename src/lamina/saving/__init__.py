"""Files of weights, whole models and exported programs; nothing in them is unpickled."""

from lamina.saving.config import deserialize, from_config, get_config, serialize
from lamina.saving.config_reader import reading_config
from lamina.saving.config_writer import writing
from lamina.saving.exported import Exported, load_exported
from lamina.saving.exporting import export
from lamina.saving.keras.formats import is_for_keras
from lamina.saving.models import TrainingArrays, load, save
from lamina.saving.recreation import recreated
from lamina.saving.stored_arrays import StoredArrays
from lamina.saving.weights import check_overwrite, load_arrays, load_weights, save_weights

__all__ = [
    "Exported",
    "StoredArrays",
    "TrainingArrays",
    "check_overwrite",
    "deserialize",
    "export",
    "from_config",
    "get_config",
    "is_for_keras",
    "load",
    "load_arrays",
    "load_exported",
    "load_weights",
    "reading_config",
    "recreated",
    "save",
    "save_weights",
    "serialize",
    "writing",
]
