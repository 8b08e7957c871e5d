"""Converting the config of a model of any version of Keras to the form of Keras 3."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from lamina.errors import LaminaError
from lamina.saving.allowed_names import LAYERS
from lamina.saving.keras.dialects import graphs, operations, parts
from lamina.saving.keras.dialects.context import Context, Fields
from lamina.saving.keras.dialects.keras1 import of_keras_1
from lamina.saving.keras.dialects.layers import input_layer, of_keras_2
from lamina.saving.keras.dialects.version import Version

__all__ = ["modern"]

_OF_KERAS = ("keras", "tf_keras", "tensorflow")
_GRAPH = ("layers", "input_layers", "output_layers")
_MODELS = ("Functional", "Model", "Sequential")
_LISTS = ("TensorShape", "__tuple__")


def modern(
    config: Any,
    version: Version,
    path: str,
    *,
    custom: Collection[str] = (),
    shapes: Callable[[str], list[tuple[int, ...]]] | None = None,
) -> Any:
    """Convert the config of a model to the form of Keras 3.

    Args:
        config: the JSON of a model: `model_config` of an HDF5 file, or the result of `to_json`.
        version: the version of Keras that wrote it.
        path: the path of the file, for errors.
        custom: the names of the caller's classes and functions, which are left as they are.
        shapes: returns the shapes of the arrays that the file has for a layer of the model, by
            its name; None (default) if there are none. Old configs of a GRU need them.

    Returns:
        New JSON, which :func:`lamina.saving.keras.configs.canonical` takes.

    Raises:
        FileFormatError: a layer has no counterpart; the error names it.

    >>> old = {"class_name": "Sequential", "config": [
    ...     {"class_name": "Dense", "config": {"units": 2, "batch_input_shape": [None, 3]}}]}
    >>> [one["class_name"] for one in modern(old, (2, 0), "model.h5")["config"]["layers"]]
    ['InputLayer', 'Dense']
    """
    given = {} if shapes is None else {"shapes": shapes}
    context = Context(version, path, frozenset(custom), **given)
    try:
        return _Conversion(context).value(_copied(config))
    except LaminaError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise context.refused(
            "has a config that is not valid", f"{type(error).__name__}: {error}"
        ) from error


class _Conversion:
    """The conversion of one config.

    Args:
        context: the version and the path of the file.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._outer: str | None = None
        self._depth = 0

    def value(self, described: Any) -> Any:
        """Convert a value that may hold layers."""
        if isinstance(described, list):
            return [self.value(item) for item in cast("list[Any]", described)]
        if not isinstance(described, dict):
            return described
        fields = cast("Fields", described)
        kind = fields.get("class_name")
        if kind in _LISTS and "items" in fields:
            return [self.value(item) for item in cast("list[Any]", fields["items"])]
        if isinstance(kind, str) and ("config" in fields):
            return self._object(kind, fields)
        return {name: self.value(item) for name, item in fields.items()}

    def _object(self, kind: str, fields: Fields) -> Any:
        if kind == "function" and fields.get("module") == "builtins":
            return {**fields, "module": None}  # Keras says so of its own functions too
        if kind.startswith("__") or kind == "function":
            return fields
        if ">" in kind and not fields.get("registered_name"):  # Keras 2: package>Name
            fields["registered_name"], kind = kind, kind.rpartition(">")[2]
            fields["class_name"], fields["module"] = kind, None
        config = fields["config"]
        if self._is_custom(kind, fields):
            options = _options_of(config) or {}
            is_graph = all(key in options for key in _GRAPH)
            fields["config"] = self._graph(options) if is_graph else self.value(config)
            return fields
        options = _options_of(config) if kind == "Sequential" else config
        if not isinstance(options, dict):
            return fields
        return self._layer(kind, fields, cast("Fields", options))

    def _is_custom(self, kind: str, fields: Mapping[str, Any]) -> bool:
        custom = self._context.custom
        module = fields.get("module")
        names = {kind, str(fields.get("registered_name")), f"{module}.{kind}", f"{module}:{kind}"}
        return not names.isdisjoint(custom) and not _is_listed(kind)

    def _layer(self, kind: str, fields: Fields, config: Fields) -> Fields:
        if kind == "Sequential":
            return self._made(fields, kind, self._sequential(config))
        if all(key in config for key in _GRAPH) and (kind in _MODELS or not _is_listed(kind)):
            return self._made(fields, "Functional", self._graph(config))
        if kind == "InputLayer":
            return self._made(fields, kind, input_layer(config, self._context))
        if self._context.version < (2, 0):
            kind, config = of_keras_1(kind, config, self._context)
        kind, config = of_keras_2(kind, config, self._context, self._outer)
        return self._made(fields, kind, self._options(config))

    def _made(self, fields: Fields, kind: str, config: Fields) -> Fields:
        fields["class_name"], fields["config"] = kind, config
        module = fields.get("module")
        if _is_listed(kind) and (module is None or str(module).partition(".")[0] in _OF_KERAS):
            room = "models" if kind in _MODELS else "layers"
            fields["module"], fields["registered_name"] = f"keras.{room}", None
        return fields

    def _options(self, config: Fields) -> Fields:
        found: Fields = {}
        for name, value in config.items():
            new = self._option(name, value)
            if new is not None or value is None:
                found[name] = new
        return found

    def _option(self, name: str, value: Any) -> Any:
        if self._context.version >= (3, 0):
            return self.value(value)
        if name == "dtype":
            return parts.policy(value)
        if name.endswith("_initializer"):
            return parts.initializer(value, self._context)
        if name.endswith("_regularizer"):
            return parts.regularizer(value)
        if name.endswith("_constraint"):
            return parts.constraint(value)
        if name.endswith("activation"):
            value = parts.activation(value, self._context)
        return self.value(value)

    def _sequential(self, config: Fields) -> Fields:
        config["layers"] = list(config.get("layers") or [])
        first = _input_of(config)
        if first is not None:
            config["layers"].insert(0, first)
        self._depth += 1
        config["layers"] = [self._inner(entry) for entry in config["layers"]]
        self._depth -= 1
        return self._options({n: v for n, v in config.items() if n != "layers"}) | {
            "layers": config["layers"]
        }

    def _inner(self, entry: Any) -> Any:
        """Convert a layer of a model; the arrays of a file belong to the layers of the root."""
        if not isinstance(entry, dict):
            raise TypeError(f"a layer is a {type(entry).__name__}")
        if self._depth == 1:
            fields = cast("Fields", entry)
            name = fields.get("name") or (_options_of(fields["config"]) or {}).get("name")
            self._outer = None if name is None else str(name)
        return self.value(cast("Fields", entry))

    def _graph(self, config: Fields) -> Fields:
        context = self._context
        entries = cast("list[Fields]", config["layers"])
        for entry in entries:
            entry["name"] = str(entry.get("name") or entry["config"]["name"])
        names = frozenset(entry["name"] for entry in entries)
        self._depth += 1
        config["layers"] = [self._entry(entry, names) for entry in entries]
        self._depth -= 1
        graphs.from_zero(config, context)
        options = self._options({n: v for n, v in config.items() if n not in _GRAPH})
        return options | {name: config[name] for name in _GRAPH}

    def _entry(self, entry: Fields, names: frozenset[str]) -> Fields:
        context = self._context
        if operations.is_operation(entry, context):
            return {**entry, "module": entry.get("module") or "keras.ops"}
        calls = graphs.calls_of(entry, names, context)
        if entry["class_name"] in operations.TENSORFLOW:
            return operations.tensorflow_operation(entry, calls)
        own = {n: v for n, v in entry.items() if n not in ("name", "inbound_nodes")}
        return {**self._inner({**own, "name": entry["name"]}), "inbound_nodes": calls}


def _copied(value: Any) -> Any:
    """A copy of JSON, with new lists and objects."""
    if type(value) is list:
        return [_copied(item) for item in cast("list[Any]", value)]
    if type(value) is dict:
        return {name: _copied(item) for name, item in cast("Fields", value).items()}
    return value


def _options_of(config: Any) -> Fields | None:
    """The options of a layer; the first versions have only the list of layers for a Sequential."""
    if isinstance(config, list):
        return {"name": "sequential", "layers": config}
    return cast("Fields", config) if isinstance(config, dict) else None


def _is_listed(kind: str) -> bool:
    return any(f"lamina.{room}:{kind}" in LAYERS for room in ("layers", "models"))


def _input_of(config: Fields) -> Fields | None:
    """The `InputLayer` that a stack lacks, from the options of its first layer."""
    entries = cast("list[Any]", config["layers"])
    if not entries or not isinstance(entries[0], dict):
        return None
    if entries[0]["class_name"] == "InputLayer":
        return None
    found = _first_input(entries[0])
    if found is None:
        return None
    shape, dtype = found
    name = f"{config.get('name') or 'sequential'}_input"
    inner = {"batch_shape": shape, "dtype": dtype, "name": name}
    return {"class_name": "InputLayer", "config": inner}


def _first_input(entry: Any) -> tuple[Any, str] | None:
    """The shape and dtype of the input of a layer, if it has them: also those of an inner model."""
    if not isinstance(entry, dict):
        return None
    options = _options_of(cast("Fields", entry).get("config"))
    if options is None:
        return None
    shape = options.get("batch_input_shape", options.get("batch_shape"))
    if shape is not None:
        dtype = options.get("input_dtype") or options.get("dtype")
        return shape, dtype if isinstance(dtype, str) else "float32"
    inner = options.get("layers")
    if not isinstance(inner, list):
        return None
    inner = cast("list[Any]", inner)
    given: Any = options.get("input_layers")
    if not given:
        return _first_input(inner[0]) if inner else None
    while isinstance(given, list) and given and isinstance(given[0], list):
        given = cast("list[Any]", given)[0]
    named = [one for one in inner if isinstance(given, list) and one.get("name") == given[0]]
    return _first_input(named[0]) if named else None
