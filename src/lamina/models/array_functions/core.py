"""Operations of `keras.ops.core`."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from lamina.models.array_functions.values import Function, array, dense_only, refused

__all__ = ["CORE", "saturate_cast"]

_finfo: Any = jnp.finfo


def _cast(x: Any, dtype: Any) -> Any:
    return array(x).astype(dtype)


def _convert_to_tensor(x: Any, dtype: Any = None, sparse: Any = None, ragged: Any = None) -> Any:
    dense_only("ConvertToTensor", sparse or ragged)
    return jnp.asarray(x, dtype)


def saturate_cast(x: Any, dtype: Any) -> Any:
    """Convert to a dtype; values beyond its range become its limits."""
    x, wanted = array(x), jnp.dtype(dtype)
    low, high = _limits(wanted)
    own_low, own_high = _limits(x.dtype)
    below, above = max(low, own_low), min(high, own_high)
    if jnp.issubdtype(x.dtype, jnp.floating):
        below, above = _inside(below, x.dtype, low), _inside(above, x.dtype, high)
    return jnp.clip(x, below, above).astype(wanted)


def _limits(dtype: Any) -> tuple[Any, Any]:
    if dtype == jnp.bool_:
        return 0, 1
    if jnp.issubdtype(dtype, jnp.integer):
        return int(jnp.iinfo(dtype).min), int(jnp.iinfo(dtype).max)
    return float(_finfo(dtype).min), float(_finfo(dtype).max)


def _inside(limit: Any, dtype: Any, bound: Any) -> Any:
    """The number of a floating dtype nearest to a limit, and not beyond the bound."""
    own = _finfo(dtype).dtype.type(limit)
    beyond = float(own) > bound if bound > 0 else float(own) < bound
    # a bound such as 2**31 - 1 rounds up: the digits of the dtype give the number below
    return float(own) * (1 - float(_finfo(dtype).eps) / 2) if beyond else float(own)


def _scatter(indices: Any, values: Any, shape: Any) -> Any:
    values = array(values)
    places = tuple(jnp.moveaxis(array(indices), -1, 0))
    return jnp.zeros(shape, values.dtype).at[places].add(values)


def _scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    places = tuple(jnp.moveaxis(array(indices), -1, 0))
    at: Any = array(inputs).at[places]
    ways: dict[str | None, Function] = {
        None: at.set,
        "add": at.add,
        "max": at.max,
        "min": at.min,
        "mul": at.multiply,
    }
    if reduction not in ways:
        raise refused("ScatterUpdate", "None, add, max, min, mul", repr(reduction))
    return ways[reduction](array(updates))


def _slice(inputs: Any, start_indices: Any, shape: Any) -> Any:
    x = array(inputs)
    sizes = [
        x.shape[axis] - start_indices[axis] if size == -1 else size
        for axis, size in enumerate(shape)
    ]
    return lax.dynamic_slice(x, list(start_indices), sizes)


def _slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    return lax.dynamic_update_slice(array(inputs), array(updates), list(start_indices))


def _stop_gradient(variable: Any) -> Any:
    return lax.stop_gradient(array(variable))


def _unstack(x: Any, num: int | None = None, axis: int = 0) -> Any:
    x = array(x)
    if num is not None and num != x.shape[axis]:
        raise refused("Unstack", f"num={x.shape[axis]}", f"num={num}")
    return [lax.index_in_dim(x, index, axis, keepdims=False) for index in range(x.shape[axis])]


CORE: dict[str, Function] = {
    "Cast": _cast,
    "ConvertToTensor": _convert_to_tensor,
    "SaturateCast": saturate_cast,
    "Scatter": _scatter,
    "ScatterUpdate": _scatter_update,
    "Slice": _slice,
    "SliceUpdate": _slice_update,
    "StopGradient": _stop_gradient,
    "Unstack": _unstack,
}
"""The functions by Keras's class names."""
