"""Operations on arrays as layers of a graph: those of TensorFlow, and those of Keras 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from lamina.saving.keras.dialects.context import Context, Fields

__all__ = ["TENSORFLOW", "is_operation", "tensorflow_operation"]

TENSORFLOW = frozenset({"SlicingOpLambda", "TFOpLambda"})
"""Layers of Keras 2 that call a function of TensorFlow."""

_ENDS = frozenset({"start", "step", "stop"})

_LAYERS = frozenset(
    {
        "Discretization",
        "HashedCrossing",
        "InputLayer",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
    }
)
"""Layers whose configs in Keras 3 do not have the option `trainable`."""


def is_operation(entry: Mapping[str, Any], context: Context) -> bool:
    """Whether a layer of a graph is an operation of Keras 3: in an HDF5 file, these have no module,
    and none of a layer's options.

    Args:
        entry: the class and config of the layer.
        context: the version of the file.
    """
    config, module = entry.get("config"), entry.get("module")
    kind = str(entry.get("class_name"))
    if module is not None:
        return str(module).startswith(("keras.ops", "keras.src.ops"))
    return (
        context.version >= (3, 0)
        and isinstance(config, Mapping)
        and "trainable" not in config
        and "layers" not in config
        and kind not in _LAYERS
        and kind not in context.custom
        and entry.get("registered_name") is None
    )


def tensorflow_operation(entry: Mapping[str, Any], calls: list[Any]) -> Fields:
    """Convert a function of TensorFlow.

    Args:
        entry: the class and config of the layer.
        calls: its calls, in the form of Keras 3.

    Returns:
        An operation whose `function` is the public name of the function, with slices as in Keras 3.
    """
    config = cast("Fields", entry["config"])
    function = f"tf.{config['function']}"
    return {
        "module": "keras.ops",
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
