"""Loading whole models of Keras."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from typing import Any, cast

from lamina.core.base.load_limits import Allowance, allowing
from lamina.core.base.sites import site
from lamina.core.building.placement import Placer
from lamina.core.building.request import Request
from lamina.core.specs.signature import method_of
from lamina.core.specs.spec import Arguments, Spec
from lamina.core.tree.node import Tracked
from lamina.json_text import read_json
from lamina.saving.config_reader import reading_config
from lamina.saving.keras.archive import Archive, Container, Folder
from lamina.saving.keras.assignment import assign_arrays
from lamina.saving.keras.compilation import compile_as_saved, optimizer_variables
from lamina.saving.keras.configs import canonical
from lamina.saving.keras.errors import refused
from lamina.saving.keras.hdf5 import Hdf5File
from lamina.saving.keras.weights import matching_groups
from lamina.saving.load_errors import reading

__all__ = ["load_archive", "made", "request_of"]


def load_archive(
    path: str,
    *,
    folder: bool = False,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    placement: Placer | None = None,
) -> Any:
    placing = contextlib.nullcontext() if placement is None else placement
    """Load a model from an archive or folder of Keras 3, as `lamina.load` does."""
    with placing, _opened(path, folder) as container, reading(path):
        config = read_json(container.text("config.json"), f"config.json of {path!r}")
        with _weights(container) as file:
            numbers = sum(array.size for array in file.arrays.values())
            with allowing(Allowance(path, len(file.arrays), numbers)):
                root = made(config, path, custom_objects)
                request = request_of(root, config)
                assign_arrays(root, path, matching_groups(file.arrays), request)
            if compile:
                variables = optimizer_variables(file.arrays)
                described = config.get("compile_config")
                compile_as_saved(root, described, variables, path, custom_objects)
        return root


@contextlib.contextmanager
def _opened(path: str, folder: bool) -> Generator[Container]:
    container = Folder(path) if folder else Archive(path)
    try:
        yield container
    finally:
        container.close()


@contextlib.contextmanager
def _weights(container: Container) -> Generator[Hdf5File]:
    file = Hdf5File(container.window("model.weights.h5"), container.path)
    try:
        yield file
    finally:
        file.close()


def made(config: Any, path: str, custom_objects: Mapping[str, Any] | None) -> Tracked:
    with reading_config(custom_objects) as reader:
        reader.builds = False
        root = reader.value(canonical(config))
    if not isinstance(root, Tracked):
        raise refused(
            path,
            "describes no model",
            expected="a model or a layer",
            received=type(root).__name__,
            remedy="Save the model again in Keras.",
        )
    return root


def request_of(root: Tracked, config: Mapping[str, Any]) -> Request | None:
    known = cast(Any, root)._known_input() if hasattr(root, "_known_input") else None
    if known is None:
        known = built_with(config)
    if known is None:
        return None
    method = method_of(type(root), "call")
    return Request(root, "call", Arguments((known,), {}), method.training_default, site())


def built_with(config: Mapping[str, Any]) -> Any:
    """The spec that the config says a model was built with."""
    inner, build = (config.get(name) for name in ("config", "build_config"))
    shapes: list[Any] = [
        cast("Mapping[str, Any]", part).get(name)
        for part, name in ((inner, "build_input_shape"), (build, "input_shape"))
        if isinstance(part, Mapping)
    ]
    shape = next((one for one in shapes if one is not None), None)
    if shape is None:
        return None
    return Spec(tuple(shape), "float32")
