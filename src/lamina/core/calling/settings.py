"""The properties of layers for dtypes, casts and the activity regularizer."""

from __future__ import annotations

from typing import Any, NamedTuple

from lamina import regularizers
from lamina.core.building.quantization import policy_name, quantization_of
from lamina.core.calling.constructor import argument_names
from lamina.core.calling.views import Setting
from lamina.core.running import precision
from lamina.core.tree.node import Tracked

__all__ = [
    "DTypePolicy",
    "activity_regularizer",
    "autocast",
    "compute_dtype",
    "dtype_policy",
    "quantization_mode",
    "variable_dtype",
]


def compute_dtype(layer: Tracked) -> str:
    """The dtype of the layer's computation; in a call, it may be that of an outer layer."""
    return str(precision.compute_dtype(layer))


def variable_dtype(layer: Tracked) -> str:
    """The dtype of the layer's weights."""
    return precision.weights_dtype(layer._lamina.dtype) or "float32"


def quantization_mode(layer: Tracked) -> str | None:
    """``"int8"`` or ``"int4"`` if the kernel is stored as integers, else None."""
    config = quantization_of(layer)
    return None if config is None else config.mode


class DTypePolicy(NamedTuple):
    """The dtypes of a layer.

    Attributes:
        name: the dtype, or the name of the mixed-precision policy.
        compute_dtype: the dtype of the computation.
        variable_dtype: the dtype of the weights.
    """

    name: str
    compute_dtype: str
    variable_dtype: str


def _dtype_policy(layer: Tracked) -> DTypePolicy:
    """The dtypes of the layer's weights and computation, and their name.

    It may be assigned, by name or as that of another layer. Weights that exist keep their dtype.
    """
    name = layer._lamina.dtype or "float32"
    config = quantization_of(layer)
    if config is not None:
        name = f"{policy_name(config)}_from_{name}"
    return DTypePolicy(name, compute_dtype(layer), variable_dtype(layer))


def _set_dtype_policy(layer: Tracked, value: Any) -> None:
    layer._lamina.dtype = precision.policy("float32" if value is None else value)
    _record(layer, "dtype", layer._lamina.dtype)


def _activity_regularizer(layer: Tracked) -> Any:
    """The penalty on each output of the layer, a function; None for no penalty."""
    return layer._lamina.penalty


def _set_activity_regularizer(layer: Tracked, value: Any) -> None:
    layer._lamina.penalty = regularizers.get(value)
    _record(layer, "activity_regularizer", value)


def _autocast(layer: Tracked) -> bool:
    """Whether the layer casts its inputs and weights to its compute dtype."""
    return layer._lamina.autocast


def _set_autocast(layer: Tracked, value: Any) -> None:
    layer._lamina.autocast = bool(value)
    _record(layer, "autocast", bool(value))


def _record(layer: Tracked, name: str, value: Any) -> None:
    """Record an assigned option as an argument of the constructor, for configs and copies."""
    if name in argument_names(type(layer)):
        layer._lamina.keywords[name] = value


dtype_policy = Setting(_dtype_policy, _set_dtype_policy)
activity_regularizer = Setting(_activity_regularizer, _set_activity_regularizer)
autocast = Setting(_autocast, _set_autocast)
