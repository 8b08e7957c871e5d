"""Operations on arrays as layers of a graph: those of TensorFlow, and those of Keras 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from lamina.saving.keras.dialects.context import Context, Fields

__all__ = ["TENSORFLOW", "is_operation", "operation", "tensorflow_operation"]

TENSORFLOW = frozenset({"SlicingOpLambda", "TFOpLambda"})
"""Layers of Keras 2 that call a function of TensorFlow."""


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
    """Convert an operation of Keras 3.

    Args:
        entry: the class, config and calls of the operation.
    """
    options = {n: v for n, v in cast("Fields", entry["config"]).items() if n != "name"}
    return _node(entry, str(entry["class_name"]), options, list(entry.get("inbound_nodes") or []))


def tensorflow_operation(entry: Mapping[str, Any], calls: list[Fields], context: Context) -> Fields:
    """Convert a function of TensorFlow.

    Args:
        entry: the class and config of the layer.
        calls: its calls, in the form of Keras 3.
        context: the path of the file.

    Raises:
        FileFormatError: the function is not known.
    """
    config = cast("Fields", entry["config"])
    name = str(config.get("function") or config.get("name"))
    raise context.refused(
        f"calls the function {name[:100]!r} of TensorFlow, which Lamina does not have",
        f"the layer {config.get('name')!r}",
    )


def _node(entry: Mapping[str, Any], function: str, options: Fields, calls: list[Any]) -> Fields:
    return {
        "module": "lamina.models",
        "class_name": "ArrayFunction",
        "config": {"function": function, "options": options},
        "name": entry.get("name") or cast("Fields", entry["config"]).get("name"),
        "inbound_nodes": calls,
    }
