"""Functions on symbols: each call becomes a node of the graph."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import jax
import numpy as np

from lamina import layers
from lamina.models.array_functions import FUNCTIONS, ArrayFunction
from lamina.models.array_functions.indices import written_index
from lamina.models.symbol import Symbol

__all__ = ["has_symbols", "node", "on_symbols"]

_tree: Any = jax.tree

_ARRAYS = {
    2: """Scatter Slice AffineTransform MapCoordinates SSIM Lstsq Solve SolveTriangular CDist
    InTopK SegmentMax SegmentMin SegmentProd SegmentSum BinaryCrossentropy
    CategoricalCrossentropy PSNR Polar RMSNorm SparseCategoricalCrossentropy Conv ConvTranspose
    DepthwiseConv Add AllClose Arctan2 BitwiseAnd BitwiseLeftShift BitwiseOr BitwiseRightShift
    BitwiseXor Divide DivideNoNan Equal FloorDivide Fmax Fmin Fmod Gcd Greater GreaterEqual
    Heaviside Hypot Lcm Ldexp LeftShift Less LessEqual Logaddexp Logaddexp2 LogicalAnd LogicalOr
    LogicalXor Maximum Minimum Mod Multiply Nextafter NotEqual Power RightShift Subtract
    TrueDivide Average Correlate Cross Digitize Dot Inner Kron Matmul Nanpercentile Nanquantile
    Linspace Outer Percentile Quantile SearchSorted Tensordot Vdot Append FullLike GetItem IsIn
    Pad Take TakeAlongAxis""",
    3: "ScatterUpdate SliceUpdate PerspectiveTransform LayerNorm SeparableConv Select Where",
    4: "ScaleAndTranslate CTCLoss Isclose",
    5: "BatchNorm",
    6: "DotProductAttention",
}
"""The operations by their number of inputs. The others have one; further arguments are options."""

_COUNTS = {kind: count for count, kinds in _ARRAYS.items() for kind in kinds.split()}


def has_symbols(value: Any) -> bool:
    """Whether a symbol is among the values of lists, tuples and dicts."""
    if isinstance(value, Symbol):
        return True
    if isinstance(value, list | tuple):
        return any(map(has_symbols, cast("Sequence[Any]", value)))
    if isinstance(value, dict):
        return any(map(has_symbols, cast("Mapping[str, Any]", value).values()))
    return False


def node(kind: str, arguments: dict[str, Any]) -> Any:
    """Add an operation of Keras to the graph.

    Args:
        kind: the class of the operation.
        arguments: its inputs and options by the names of the table of operations.

    Returns:
        The symbols of the outputs.
    """
    if kind in ("Einsum", "Meshgrid"):
        rest = dict(arguments)
        inputs = rest.pop("operands" if kind == "Einsum" else "x")
        return ArrayFunction(kind, rest or None)(*inputs)
    names = list(inspect.signature(FUNCTIONS[kind]).parameters)
    names = names[: _COUNTS.get(kind, 1)]
    last = max((place for place, name in enumerate(names) if name in arguments), default=-1)
    inputs = [_input(kind, name, arguments.get(name)) for name in names[: last + 1]]
    options = {key: value for key, value in arguments.items() if key not in names}
    computed = {key: value for key, value in options.items() if has_symbols(value)}
    plain = {key: _option(value) for key, value in options.items() if key not in computed}
    return ArrayFunction(kind, plain or None)(*inputs, **computed)


def _input(kind: str, name: str, value: Any) -> Any:
    return written_index(value) if (kind, name) == ("GetItem", "key") else value


def _option(value: Any) -> Any:
    """An option as plain data: dtypes by their names."""
    if isinstance(value, np.dtype) or (isinstance(value, type) and hasattr(value, "dtype")):
        return np.dtype(cast("Any", value)).name
    return value


def on_symbols(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of arrays take symbols: it becomes a `Lambda` of the graph.

    Args:
        function: a function of arrays in any of its arguments, and in lists of them.

    Returns:
        The function, which returns symbols if an argument has one.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not has_symbols((args, kwargs)):
            return function(*args, **kwargs)
        leaves, structure = _tree.flatten((args, kwargs))
        places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, Symbol)]

        def compute(inputs: Any) -> Any:
            filled = list(leaves)
            for place, value in zip(places, inputs, strict=True):
                filled[place] = value
            args, kwargs = _tree.unflatten(structure, filled)
            return function(*args, **kwargs)

        return layers.Lambda(compute)([leaves[place] for place in places])

    return call
