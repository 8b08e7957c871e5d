"""Configs of Keras 1, 2 and of HDF5 files of Keras 3, as configs in the form of Keras 3."""

from lamina.saving.keras.dialects.convert import modern
from lamina.saving.keras.dialects.version import Version, version_of

__all__ = ["Version", "modern", "version_of"]
