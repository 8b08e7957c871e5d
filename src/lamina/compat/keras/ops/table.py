"""The operations of Keras as functions with Keras's signatures."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from lamina.compat.keras.ops.sizes import as_sizes, at_once
from lamina.compat.keras.ops.symbols import has_symbols, node
from lamina.models.array_functions import FUNCTIONS, MODULES
from lamina.names import snake

__all__ = ["OPERATIONS", "module_of"]

_NAMES = {
    "AllClose": "allclose",
    "BatchNorm": "batch_normalization",
    "CDist": "cdist",
    "IsIn": "isin",
    "LayerNorm": "layer_normalization",
    "RMSNorm": "rms_normalization",
    "SearchSorted": "searchsorted",
}
"""The functions whose names do not follow from those of their classes."""

_ALIASES = {"hard_swish": "HardSilu", "swish": "Silu"}

_SIZES = {"BroadcastTo": "shape", "Reshape": "newshape", "Tile": "repeats"}
"""The arguments that JAX has to know while it traces."""


def _average(x: Any, axis: Any = None, weights: Any = None) -> None: ...


def _batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    axis: int,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
) -> None: ...


def _einsum(subscripts: str, *operands: Any) -> None: ...


def _pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> None: ...


_REORDERED: dict[str, Callable[..., None]] = {
    "Average": _average,
    "BatchNorm": _batch_normalization,
    "Einsum": _einsum,
    "Pad": _pad,
}
"""Functions whose arguments Keras has in another order than inputs first, options after them."""


def _signature(kind: str) -> inspect.Signature:
    found = inspect.signature(_REORDERED.get(kind, FUNCTIONS[kind]))
    empty = inspect.Parameter.empty
    parameters = [one.replace(annotation=empty) for one in found.parameters.values()]
    if hasattr(FUNCTIONS[kind], "__wrapped__"):  # it takes the layout for another function
        keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters.append(inspect.Parameter("data_format", keyword, default=None))
    return inspect.Signature(parameters)


def _function(name: str, kind: str) -> Callable[..., Any]:
    compute, signature, sizes = at_once(FUNCTIONS[kind]), _signature(kind), _SIZES.get(kind)
    as_given = kind not in {*_REORDERED, *_SIZES} and not hasattr(FUNCTIONS[kind], "__wrapped__")

    def call(*args: Any, **kwargs: Any) -> Any:
        symbolic = has_symbols(args) or has_symbols(kwargs)
        if as_given and not symbolic:
            return compute(*args, **kwargs)
        arguments = signature.bind(*args, **kwargs).arguments
        if sizes in arguments:
            arguments[sizes] = as_sizes(arguments[sizes])
        if symbolic:
            return node(kind, arguments)
        operands = arguments.pop("operands", ())
        return compute(*operands, **arguments)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"Compute Keras's operation `{kind}` of arrays, variables or symbols."
    call.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
    return call


_BY_NAME = {_NAMES.get(kind) or snake(kind): kind for kind in FUNCTIONS} | _ALIASES

OPERATIONS = {name: _function(name, kind) for name, kind in sorted(_BY_NAME.items())}
"""The functions by their names in `keras.ops`."""


def module_of(name: str) -> str:
    """The namespace of a function in Keras: ``"numpy"``, ``"nn"``, ``"math"`` and others."""
    return MODULES[_BY_NAME[name]].rpartition(".")[2]
