"""Models in HDF5 files and architectures of Keras 1 to 3, in the form of archives of Keras 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from lamina.core.tree.node import Tracked
from lamina.saving.keras.compilation import compile_as_saved
from lamina.saving.keras.dialects import modern, version_of
from lamina.saving.keras.hdf5 import Hdf5File
from lamina.saving.keras.legacy_compilation import legacy_compile_config
from lamina.saving.keras.legacy_weights import LegacyGroups, listed_arrays, root_group
from lamina.saving.keras.sources import Source
from lamina.saving.keras.texts import read_json

__all__ = ["compile_legacy", "modern_config"]

_OPTIMIZER = "optimizer_weights"


def modern_config(
    source: Source, weights: Source, custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """Return the config of a model in the form of Keras 3.

    Args:
        source: the file with the model.
        weights: the file with its weights, often the same.
        custom_objects: classes and functions by name; None (default) for none.

    Raises:
        FileFormatError: the model has a layer that has no counterpart.
    """
    shapes = None
    if weights.kind.startswith("legacy") and weights.file is not None:
        shapes = LegacyGroups(weights.file, root_group(weights.file)).shapes
    version = version_of(source.version)
    if source.version is None and isinstance(source.config, dict) and "module" in source.config:
        version = (3, 0)  # the JSON of `to_json` does not name the version
    custom = custom_objects or ()
    return modern(source.config, version, source.path, custom=custom, shapes=shapes)


def compile_legacy(
    root: Tracked, file: Hdf5File, path: str, custom_objects: Mapping[str, Any] | None
) -> None:
    """Compile a model as an HDF5 file describes it, and continue from the optimizer's state.

    If a part of the description is unknown, the model stays uncompiled, with a warning.

    Args:
        root: the model, built.
        file: the file.
        path: the path of the file, for warnings.
        custom_objects: classes and functions by name; None for none.
    """
    training = file.attribute("training_config")
    described = None
    if isinstance(training, str):
        described = read_json(training, f"The training_config of {path!r}")
    if isinstance(described, dict):
        stored = listed_arrays(file, _OPTIMIZER) if _OPTIMIZER in file.groups else {}
        config = legacy_compile_config(cast("Mapping[str, Any]", described))
        arrays, names = list(stored.values()), list(stored)
        compile_as_saved(root, config, arrays, path, custom_objects, names)
