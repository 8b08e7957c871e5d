"""Operations on arrays as layers of a graph: those of TensorFlow, and those of Keras 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from lamina.saving.keras.dialects.context import Context, Fields

__all__ = ["TENSORFLOW", "is_operation", "operation", "tensorflow_operation"]

TENSORFLOW = frozenset({"SlicingOpLambda", "TFOpLambda"})
"""Layers of Keras 2 that call a function of TensorFlow."""

_ENDS = frozenset({"start", "step", "stop"})


def is_operation(entry: Mapping[str, Any], context: Context) -> bool:
    """Whether a layer of a graph is an operation of Keras 3: these have none of a layer's options.

    Args:
        entry: the class and config of the layer.
        context: the version of the file.
    """
    config = entry.get("config")
    kind = str(entry.get("class_name"))
    return (
        context.version >= (3, 0)
        and isinstance(config, Mapping)
        and "trainable" not in config
        and "layers" not in config
        and kind != "InputLayer"
        and kind not in context.custom
        and str(entry.get("registered_name")) not in context.custom
    )


def operation(entry: Mapping[str, Any]) -> Fields:
    """Name the module of an operation of Keras 3, which HDF5 files leave out.

    Args:
        entry: the class, config and calls of the operation.
    """
    return {**entry, "module": "keras.ops", "registered_name": None}


def tensorflow_operation(entry: Mapping[str, Any], calls: list[Any]) -> Fields:
    """Convert a function of TensorFlow.

    Args:
        entry: the class and config of the layer.
        calls: its calls, in the form of Keras 3.

    Returns:
        A layer whose `function` is the public name of the function, with slices as in Keras 3.
    """
    config = cast("Fields", entry["config"])
    function = f"tf.{config['function']}"
    return {
        "module": "tensorflow",
        "class_name": str(entry["class_name"]),
        "config": {"name": entry["name"], "function": function},
        "name": entry["name"],
        "inbound_nodes": [_with_slices(call) for call in calls],
    }


def _with_slices(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_slices(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("Fields", value)
    if fields.get("class_name") == "__ellipsis__":
        return {"class_name": "__ellipsis__", "config": {}}
    if fields.keys() == _ENDS:
        return {"class_name": "__slice__", "config": fields}
    return {name: _with_slices(item) for name, item in fields.items()}
