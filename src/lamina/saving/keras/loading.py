"""Loading models and weights of Keras."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, cast

from lamina.core.base.load_limits import Allowance, allowing
from lamina.core.base.sites import site
from lamina.core.building.placement import Placer, placing
from lamina.core.building.request import Request
from lamina.core.building.transaction import carry_out
from lamina.core.specs.signature import method_of
from lamina.core.specs.spec import Arguments, Spec
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import walk
from lamina.errors import BuildError, InputError, explain
from lamina.registered import with_registered
from lamina.saving.config_reader import reading_config
from lamina.saving.keras.assets import load_vocabularies
from lamina.saving.keras.assignment import Matching, assign_arrays
from lamina.saving.keras.compilation import compile_as_saved, optimizer_variables
from lamina.saving.keras.configs import canonical, unavailable
from lamina.saving.keras.errors import refused
from lamina.saving.keras.formats import Format
from lamina.saving.keras.legacy import compile_legacy, modern_config
from lamina.saving.keras.legacy_weights import matching_legacy, root_group
from lamina.saving.keras.sources import Source, opened
from lamina.saving.keras.weights import matching_groups
from lamina.saving.load_errors import reading
from lamina.saving.lookup import Names

__all__ = ["load", "load_weights", "model_of"]

_OBJECTS, _OBJECTS_EACH = 2_048, 64  # the most objects in a config, and for each array
_VALUES, _VALUES_EACH = 1 << 18, 64  # the most values in the lists of a config, and for each array
_TOKENS = ("vocabulary", "idf_weights")  # lists that may be long
_CALLS, _CALLS_EACH = 512, 8  # the most further calls of layers, and for each array
_TEXT = "The JSON of a model"
_BESIDE = (".weights.h5", ".weights.json", ".h5", ".hdf5")


def load(
    path: str,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    placement: Placer | None = None,
) -> Any:
    """Make the model of a file of Keras, with its weights.

    Args:
        path: the path of the file or folder.
        custom_objects: classes and functions by name; None (default) for none.
        compile: whether to compile the model as it was, with the state of its optimizer, if all
            parts are known. Default True.
        placement: where the weights are read to; None (default) for the default device.

    Returns:
        The model, built.

    Raises:
        FileFormatError: the file is damaged, has only weights, or names a class or function that
            is not available.
        InputError: `placement` is not a placement.
    """
    custom_objects = with_registered(custom_objects)
    with placing(placement), opened(path) as source, reading(path):
        if source.config is None:
            raise refused(
                path,
                "contains only weights, not a model",
                expected="a model, such as a .keras file",
                received=source.kind,
                remedy="Make the model in code and call load_weights(path) on it.",
            )
        weights = source
        if source.kind == "architecture":
            beside = _beside(path)
            with opened(beside) as weights:
                return _loaded(source, weights, custom_objects, compile)
        return _loaded(source, weights, custom_objects, compile)


def _loaded(
    source: Source, weights: Source, custom_objects: Mapping[str, Any] | None, compile: bool
) -> Any:
    path = source.path
    numbers = sum(array.size for array in weights.arrays.values())
    with allowing(Allowance(path, len(weights.arrays), numbers)):
        _check_size(source, len(weights.arrays))
        config = modern_config(source, weights, custom_objects)
        root = _made(config, path, custom_objects)
        named = source.kind == weights.kind
        matching = _matching(weights, named=named)
        if source.container is not None:  # before the build: widths depend on vocabularies
            load_vocabularies(root, source.container, source.arrays)
        assign_arrays(root, weights.path, matching, request_of(root, config))
    if compile and source.kind == "model":
        described = cast("Mapping[str, Any]", source.config).get("compile_config")
        variables = optimizer_variables(source.arrays)
        compile_as_saved(root, described, variables, path, custom_objects)
    elif compile and source.kind == "legacy model" and source.file is not None:
        compile_legacy(root, source.file, path, custom_objects)
    return root


def _check_size(source: Source, arrays: int) -> None:
    """Check that a config has no more layers, and no more calls of them, than arrays account for.

    Long lists of values are counted too: layers may make arrays of them.

    Raises:
        FileFormatError: it has more.
    """
    layers = calls = values = 0
    pending: list[Any] = [source.config]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            items = cast("list[Any]", value)
            inner: list[Any] = [item for item in items if isinstance(item, list | dict)]
            values += len(items) - len(inner)
            pending.extend(inner)
        elif isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            layers += "class_name" in fields and isinstance(fields.get("config"), dict)
            nodes: Any = fields.get("inbound_nodes")
            calls += len(cast("list[Any]", nodes)) - 1 if isinstance(nodes, list) and nodes else 0
            pending.extend(value for name, value in fields.items() if name not in _TOKENS)
    most_layers, most_calls = _OBJECTS + _OBJECTS_EACH * arrays, _CALLS + _CALLS_EACH * arrays
    most_values = _VALUES + _VALUES_EACH * arrays
    if layers > most_layers or calls > most_calls or values > most_values:
        raise refused(
            source.path,
            "describes a larger model than its arrays can fill",
            expected=f"at most {most_layers:,} objects, {most_calls:,} repeated calls and "
            f"{most_values:,} values in lists, for {arrays:,} arrays",
            received=f"{layers:,} objects, {calls:,} repeated calls and {values:,} values",
            remedy="Make the model in code, and call load_weights(path) on it.",
        )


def load_weights(
    root: Tracked, path: str, by_name: bool = False, skip_mismatch: bool = False
) -> None:
    """Give a model the weights of a file of Keras.

    Args:
        root: the model.
        path: the path of the file or folder: weights, or a whole model.
        by_name: whether a legacy file is matched by the names of layers. Default False: by their
            order.
        skip_mismatch: whether to load only what fits, with a warning. Default False.

    Raises:
        FileFormatError: the file is damaged, or does not match the model. Nothing was changed.
        BuildError: the model is not built, and the shape of its input is not known.
        InputError: `by_name` is True, and the file is one of Keras 3.
    """
    with opened(path) as source:
        if by_name and not source.kind.startswith("legacy"):
            raise InputError(
                explain(
                    f"load_weights cannot find the weights of {path!r} by the names of layers.",
                    expected="a legacy HDF5 file, which names its layers",
                    received=f"{source.kind} of Keras 3, in Keras's order of attributes",
                    remedy="Leave out by_name; skip_mismatch=True loads only what fits.",
                )
            )
        request = None
        if any(not v.built for _, v in walk(root).variables.values()) or not root._lamina.built:
            request = request_of(root, source.config or {})
            if request is None:
                raise _unbuilt(root, path)
        with reading(path):
            assign_arrays(root, path, _matching(source, by_name), request, skip_mismatch)


def model_of(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make a model from its architecture, of Keras 1 to 3, with new initial values.

    Args:
        config: the JSON of `to_json`.
        custom_objects: classes and functions by name; None (default) for none.

    Raises:
        FileFormatError: it is not valid, or names a class or function that is not available.
    """
    custom_objects = with_registered(custom_objects)
    version = config.get("keras_version")
    version = version if isinstance(version, str) else None
    source = Source(_TEXT, Format.JSON, "architecture", {}, config, version)
    modern = modern_config(source, source, custom_objects)
    root = _made(modern, _TEXT, custom_objects)
    request = request_of(root, modern)
    if request is not None:
        carry_out(request)
    return root


def _matching(source: Source, by_name: bool = False, named: bool = False) -> Matching:
    if source.kind.startswith("legacy") and source.file is not None:
        return matching_legacy(source.file, root_group(source.file), by_name, named=named)
    return matching_groups(source.arrays)


def _made(config: Any, path: str, custom_objects: Mapping[str, Any] | None) -> Tracked:
    parts = cast("Mapping[str, Any]", config).items()
    config = {name: part for name, part in parts if name != "compile_config"}
    described = canonical(config, custom_objects)
    problem = unavailable(described, path, Names(custom_objects))
    if problem is not None:
        raise problem
    with reading_config(custom_objects) as reader:
        reader.builds = False
        root = reader.value(described)
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
    """Return the build of a model for the shape of its input; None if the shape is not known.

    Args:
        root: the model.
        config: the config of the file.
    """
    known = cast(Any, root)._known_input() if hasattr(root, "_known_input") else None
    if known is None:
        known = _built_with(config)
    if known is None:
        return None
    method = method_of(type(root), "call")
    return Request(root, "call", Arguments((known,), {}), method.training_default, site())


def _built_with(config: Mapping[str, Any]) -> Any:
    """The specs that the config says a model was built with; None if it does not say it."""
    inner, build = (config.get(name) for name in ("config", "build_config"))
    shapes: list[Any] = [
        cast("Mapping[str, Any]", part).get(name)
        for part, name in ((inner, "build_input_shape"), (build, "input_shape"))
        if isinstance(part, Mapping)
    ]
    return _specs(next((one for one in shapes if one is not None), None))


def _specs(shapes: Any) -> Any:
    """The specs of shapes: of one input, or of several in a list or dict."""
    if isinstance(shapes, Mapping):
        named = cast("Mapping[str, Any]", shapes)
        return {name: _specs(shape) for name, shape in named.items()}
    if isinstance(shapes, list):
        items = cast("list[Any]", shapes)
        if any(isinstance(item, list | Mapping) for item in items):
            return [_specs(item) for item in items]
        return Spec(tuple(items), "float32")
    return None


def _beside(path: str) -> str:
    """The weights beside an architecture, which have its name."""
    stem = path.removesuffix(".json")
    names = [stem + ending for ending in _BESIDE]
    for name in names:
        if os.path.isfile(name):
            return name
    raise refused(
        path,
        "is the architecture of a model, without weights beside it",
        expected=" or ".join(os.path.basename(name) for name in names),
        received="none of these files",
        remedy="Call lamina.models.model_from_json(text), and load_weights on the model.",
    )


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
