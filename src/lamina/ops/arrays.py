"""Arrays as operands: types, dtype promotion, and conversions."""

from __future__ import annotations

import math
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.narrowing import array_of

__all__ = ["Operand", "alike", "as_ids", "as_rows", "cast", "float_dtype", "is_placed"]


class Operand(Protocol):
    """An array, or any object with a shape and a dtype that ``jnp.asarray`` converts."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> Any: ...


def float_dtype(*operands: Operand | None) -> Any:
    """Return the floating dtype that operands promote to.

    Args:
        operands: arrays; None is ignored.

    Returns:
        The dtype of JAX's type promotion; at least float32 for integers.

    >>> float_dtype(jnp.zeros(2, "bfloat16"), None, jnp.zeros(2, "float32")).name
    'float32'
    >>> float_dtype(jnp.zeros(2, "int32")).name
    'float32'
    """
    dtypes = {operand.dtype for operand in operands if operand is not None}
    if len(dtypes) == 1 and (only := dtypes.pop()).kind == "f":
        return only  # the common case, which each plan evaluates once per layer
    dtype = jnp.result_type(*[operand.dtype for operand in operands if operand is not None])
    return dtype if jnp.issubdtype(dtype, jnp.inexact) else jnp.promote_types(dtype, jnp.float32)


def cast(operand: Operand, dtype: Any) -> jax.Array:
    """Convert an operand to a JAX array of a dtype.

    Args:
        operand: an array or a variable.
        dtype: the dtype of the result.

    Returns:
        The array.

    Raises:
        InputError: an integer is out of range of the dtype.

    >>> cast(jnp.ones(2, "int32"), "float32").dtype.name
    'float32'
    """
    array = operand if isinstance(operand, jax.Array) else getattr(operand, "value", None)
    if array is not None and array.dtype == dtype:  # the array itself, or the value of a variable
        return array
    return array_of(operand, dtype)


def as_ids(values: Any) -> jax.Array:
    """Convert ids or class labels to int32.

    Args:
        values: ``[...]``, integers, or floats with integer values.

    Returns:
        ``[...]``, int32; values out of range, and NaN, become -2147483648, which is no valid id.

    >>> as_ids(jnp.array([1.0, jnp.nan, 2.0**32 + 2**16])).tolist()
    [1, -2147483648, -2147483648]
    """
    ids = array_of(values)
    if ids.dtype == jnp.int32:
        return ids
    if np.can_cast(ids.dtype, np.int32):
        return ids.astype(jnp.int32)
    if jnp.issubdtype(ids.dtype, jnp.floating):
        fits = jnp.abs(ids) < 2.0**31
    else:
        fits = ids <= jnp.asarray(2**31 - 1, ids.dtype)
        if jnp.issubdtype(ids.dtype, jnp.signedinteger):
            fits &= ids >= jnp.asarray(-(2**31), ids.dtype)
    return jnp.where(fits, ids.astype(jnp.int32), jnp.iinfo(jnp.int32).min)


def as_rows(array: jax.Array) -> jax.Array:
    """Reshape an array to a matrix by merging its leading axes.

    Args:
        array: ``[..., units]``.

    Returns:
        ``[rows, units]``; or the array unchanged if a leading axis but the first is sharded
        explicitly, because JAX does not reshape across devices.

    >>> as_rows(jnp.ones((2, 5, 3))).shape
    (10, 3)
    """
    leading = array.shape[:-1]
    if len(leading) < 2 or any(name is not None for name in jax.typeof(array).sharding.spec[1:-1]):
        return array
    return lax.reshape(array, (math.prod(leading), array.shape[-1]))


def is_placed(array: jax.Array) -> bool:
    """Check whether an axis of an array has an explicit sharding, as part of the array's type.

    Args:
        array: the array, or a tracer.

    Returns:
        Whether an axis is sharded over a mesh axis.

    >>> is_placed(jnp.ones(2))
    False
    """
    return any(name is not None for name in jax.typeof(array).sharding.spec)


def alike(tree: Any) -> Any:
    """Make all arrays of a tree vary over the same mesh axes inside `shard_map`.

    A custom backward pass needs it: the gradient of a value that is equal on all devices is the
    sum over them, which JAX inserts by itself only for its own operations.

    Args:
        tree: arrays in nested containers.

    Returns:
        The same tree.
    """
    every = {name for leaf in jax.tree.leaves(tree) for name in _varying(leaf)}

    def vary(leaf: jax.Array) -> jax.Array:
        missing = tuple(sorted(every - _varying(leaf)))
        lax: Any = jax.lax
        return lax.pcast(leaf, missing, to="varying") if missing else leaf

    return jax.tree.map(vary, tree) if every else tree


def _varying(array: Any) -> set[str]:
    return set(getattr(getattr(jax.typeof(array), "mat", None), "varying", ()))
