"""Layers that compute a function of arrays, as the operations of a graph of Keras."""

from __future__ import annotations

from typing import Any

from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.models.array_functions.array_function import ArrayFunction
from lamina.models.array_functions.indices import index_to_json, read_index
from lamina.models.array_functions.table import MODULES
from lamina.models.symbol import Operation

__all__ = ["keras_arguments", "keras_node"]

_CLASSES = {
    "abs": "Absolute",
    "add": "Add",
    "and_": "LogicalAnd",
    "floordiv": "FloorDivide",
    "ge": "GreaterEqual",
    "getitem": "GetItem",
    "gt": "Greater",
    "invert": "LogicalNot",
    "le": "LessEqual",
    "lt": "Less",
    "matmul": "Matmul",
    "mod": "Mod",
    "mul": "Multiply",
    "ne": "NotEqual",
    "neg": "Negative",
    "or_": "LogicalOr",
    "pos": "Copy",
    "pow": "Power",
    "sub": "Subtract",
    "truediv": "TrueDivide",
    "xor": "LogicalXor",
}
"""Keras's classes of the operators of Python."""

_OF_INTEGERS = {
    "and_": "BitwiseAnd",
    "invert": "BitwiseInvert",
    "or_": "BitwiseOr",
    "xor": "BitwiseXor",
}


def keras_node(layer: Layer, integers: bool = False) -> tuple[str, str, dict[str, Any]]:
    """Return the operation of Keras that computes what a layer computes.

    Args:
        layer: an `Operation` or an `ArrayFunction`.
        integers: whether the operands of ``&``, ``|``, ``^`` and ``~`` are integers, not bools.
            Default False.

    Returns:
        The module and the class name of the operation, and its config without the name.

    Raises:
        InputError: it is another layer.

    >>> from lamina.models.symbol import Operation
    >>> keras_node(Operation("mul"))
    ('keras.src.ops.numpy', 'Multiply', {})
    """
    if isinstance(layer, ArrayFunction):
        options = layer.options or {}
        name = layer.function
        config = {key: value for key, value in options.items() if (name, key) != _KEY}
        return MODULES[name], name, config
    if isinstance(layer, Operation):
        found = _OF_INTEGERS.get(layer.function) if integers else None
        name = found or _CLASSES[layer.function]
        return MODULES[name], name, {}
    raise InputError(
        explain(
            "The layer is not an operation.",
            expected="an Operation or an ArrayFunction",
            received=type(layer).__name__,
            remedy="Store it as a layer.",
        )
    )


_KEY = "GetItem", "key"


def keras_arguments(
    layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of the call of a layer in the order of :func:`keras_node`'s operation.

    Args:
        layer: an `Operation` or an `ArrayFunction`.
        args: the positional arguments of the call.
        kwargs: its keyword arguments.

    Returns:
        The positional and the keyword arguments. Those of a swapped operator are in reverse
        order. An index is an argument, with its slices and Ellipsis in the form of Keras's JSON.

    >>> from lamina.models.symbol import Operation
    >>> keras_arguments(Operation("sub", swapped=True), ("x", 3.0), {})
    ((3.0, 'x'), {})
    """
    if isinstance(layer, Operation):
        if layer.function == "getitem":
            return (*args, index_to_json(read_index(layer.index))), kwargs
        return (args[::-1] if layer.swapped else args), kwargs
    if isinstance(layer, ArrayFunction) and layer.function == "GetItem":
        options = {**(layer.options or {}), **kwargs}
        index = args[1] if len(args) > 1 else options["key"]
        rest = {name: value for name, value in kwargs.items() if name != "key"}
        return (*args[:1], index_to_json(index)), rest
    return args, kwargs
