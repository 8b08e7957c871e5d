"""Loading whole models, and weights alone, from HDF5 files of Keras 1 to 3."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Mapping
from typing import Any, cast

from lamina.core.base.load_limits import Allowance, allowing
from lamina.core.building.placement import Placer
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import walk
from lamina.errors import BuildError, explain
from lamina.json_text import read_json
from lamina.saving.keras.archive import Window
from lamina.saving.keras.assignment import assign_arrays
from lamina.saving.keras.compilation import compile_as_saved
from lamina.saving.keras.dialects import modern
from lamina.saving.keras.errors import refused
from lamina.saving.keras.hdf5 import Hdf5File
from lamina.saving.keras.legacy_compilation import legacy_compile_config
from lamina.saving.keras.legacy_weights import (
    LegacyGroups,
    listed_arrays,
    matching_legacy,
    root_group,
)
from lamina.saving.keras.loading import made, request_of
from lamina.saving.load_errors import reading

__all__ = ["legacy_config", "load_legacy", "load_legacy_weights"]


def load_legacy(
    path: str,
    *,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    placement: Placer | None = None,
) -> Any:
    """Make the model of an HDF5 file of Keras, with its weights.

    Args:
        path: the path of the file; its name does not matter.
        custom_objects: classes and functions by name; None (default) for none. A function under
            the name of a `Lambda` layer takes the place of that layer's code.
        compile: whether to compile the model as it was, if the optimizer, the loss and the metrics
            are known; a warning tells if they are not. Default True.
        placement: where the weights are read to; None (default) for the default device.

    Returns:
        The model, built.

    Raises:
        FileFormatError: the file is damaged, has only weights, or names a class, function or
            option that is not available.
    """
    placing = contextlib.nullcontext() if placement is None else placement
    with placing, _opened(path) as file, reading(path):
        config = legacy_config(file, path, custom_objects)
        numbers = sum(array.size for array in file.arrays.values())
        with allowing(Allowance(path, len(file.arrays), numbers)):
            root = made(config, path, custom_objects)
            matching = matching_legacy(file, "model_weights", named=True)
            assign_arrays(root, path, matching, request_of(root, config))
        if compile:
            _compile(root, file, path, custom_objects)
    return root


def legacy_config(
    file: Hdf5File, path: str, custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """Return the config of a model in the form of Keras 3.

    Args:
        file: the HDF5 file.
        path: the path of the file, for errors.
        custom_objects: classes and functions by name; None (default) for none.

    Raises:
        FileFormatError: the file has no model, or a model with a layer that has no counterpart.
    """
    described = file.attribute("model_config")
    if not isinstance(described, str):
        raise refused(
            path,
            "contains no model",
            expected="the attribute model_config, of a whole model",
            received="weights alone, or another HDF5 file",
            remedy="Make the model in code and call load_weights(path) on it.",
        )
    config = read_json(described, f"The model_config of {path!r}")
    groups = LegacyGroups(file, "model_weights")
    custom = custom_objects or {}
    return modern(config, groups.origin.version, path, custom=custom, shapes=groups.shapes)


def load_legacy_weights(
    root: Tracked, path: str, *, by_name: bool = False, skip: bool = False
) -> None:
    """Give a model the weights of an HDF5 file of Keras, of a whole model or of weights alone.

    Args:
        root: the model.
        path: the path of the file.
        by_name: whether layers are matched by name, and those that the file does not name keep
            their weights. Default False: by their order.
        skip: whether to load only what fits, with a warning. Default False.

    Raises:
        FileFormatError: the file is damaged, or does not match the model. Nothing was changed.
        BuildError: the model is not built, and the shape of its input is not known.
    """
    with _opened(path) as file, reading(path):
        request = None
        built = root._lamina.built is not None
        if not built or any(not v.built for _, v in walk(root).variables.values()):
            request = request_of(root, {})
            if request is None:
                raise _unbuilt(root, path)
        matching = matching_legacy(file, root_group(file), by_name)
        assign_arrays(root, path, matching, request, skip)


@contextlib.contextmanager
def _opened(path: str) -> Generator[Hdf5File]:
    with open(path, "rb", buffering=0) as stream:
        file = Hdf5File(Window(stream, 0, os.fstat(stream.fileno()).st_size), path)
        try:
            yield file
        finally:
            file.close()


def _compile(
    root: Tracked, file: Hdf5File, path: str, custom_objects: Mapping[str, Any] | None
) -> None:
    training, group = file.attribute("training_config"), "optimizer_weights"
    if not isinstance(training, str):
        return
    described = read_json(training, f"The training_config of {path!r}")
    stored = listed_arrays(file, group) if group in file.groups else {}
    known = cast("Mapping[str, Any] | None", described if isinstance(described, dict) else None)
    config = None if known is None else legacy_compile_config(known)
    arrays, names = list(stored.values()), list(stored)
    compile_as_saved(root, config, arrays, path, custom_objects, names)


def _unbuilt(root: Tracked, path: str) -> BuildError:
    name = type(root).__name__
    return BuildError(
        explain(
            f"{name} is not built, and {path!r} does not have the shape of its input.",
            where=f"{name} was made at {root._lamina.made_at}",
            expected="a built model",
            received="an unbuilt one",
            remedy="Call build(...) with the shape of the input before load_weights.",
        )
    )
