"""The calls in the config of a graph, and its operations on arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from lamina.models.array_functions.indices import index_from_json
from lamina.models.tensorflow_functions import keras_call

__all__ = ["calls_of", "is_operation", "operation_of"]

_MODULES = ("keras.ops", "keras.src.ops")
_OF_TENSORFLOW = ("SlicingOpLambda", "TFOpLambda")
_TENSOR = "__keras_tensor__"


def is_operation(entry: Any) -> bool:
    """Whether an entry of a graph is an operation, and not a layer."""
    module = str(entry.get("module") or "")
    return any(f"{module}.".startswith(f"{one}.") for one in _MODULES)


def operation_of(entry: Any) -> tuple[str, dict[str, Any], list[Any]]:
    """Return the class of an operation in Keras, its options and its calls.

    Args:
        entry: the JSON of an operation of Keras, or of a function of TensorFlow.

    Raises:
        InputError: the function of TensorFlow is unknown.
        ValueError: it has no single set of options.
    """
    config: dict[str, Any] = dict(entry.get("config") or {})
    calls = calls_of(entry)
    if entry["class_name"] not in _OF_TENSORFLOW:
        options = {name: value for name, value in config.items() if name != "name"}
        return entry["class_name"], _plain(options), [_plain(call) for call in calls]
    function = str(config["function"])
    found = [keras_call(function, tuple(call["args"]), call["kwargs"]) for call in calls]
    kind, _, options = found[0]
    if any((name, given) != (kind, options) for name, _, given in found) or _has_tensors(options):
        raise ValueError(f"{function} is called with several options, or with a computed one")
    return kind, _plain(options), [_plain({"args": list(a), "kwargs": {}}) for _, a, _ in found]


def calls_of(entry: Any) -> list[Any]:
    """Return the calls of an entry, from the form of Keras 2 or 3."""
    nodes: list[Any] = entry["inbound_nodes"]
    return [node if isinstance(node, Mapping) else _keras_2_call(node) for node in nodes]


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the slices and ellipses in arguments to plain data."""
    return {name: index_from_json(value) for name, value in fields.items()}


def _keras_2_call(call: Any) -> dict[str, Any]:
    """Convert a call in the form of Keras 2: a list of name, call, output and named arguments."""
    tensors = [{"class_name": _TENSOR, "config": {"keras_history": one[:3]}} for one in call]
    kwargs: dict[str, Any] = call[0][3] if len(call[0]) > 3 else {}
    return {"args": tensors if len(tensors) == 1 else [tensors], "kwargs": kwargs}


def _has_tensors(value: Any) -> bool:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return fields.get("class_name") == _TENSOR or any(map(_has_tensors, fields.values()))
    return isinstance(value, list | tuple) and any(map(_has_tensors, cast("list[Any]", value)))
