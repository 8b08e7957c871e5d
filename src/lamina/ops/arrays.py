"""What the other operations take: arrays, and the dtype several of them meet in."""

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
    """What stands for one array: a JAX or NumPy array, or anything ``jnp.asarray`` takes."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> Any: ...


def float_dtype(*operands: Operand | None) -> Any:
    """The floating dtype in which the operands meet under JAX's promotion; None is left out.

    >>> float_dtype(jnp.zeros(2, "bfloat16"), None, jnp.zeros(2, "float32")).name
    'float32'
    >>> float_dtype(jnp.zeros(2, "int32")).name
    'float32'
    """
    dtypes = {operand.dtype for operand in operands if operand is not None}
    if len(dtypes) == 1 and (only := dtypes.pop()).kind == "f":
        return only  # the usual case; planning asks for every layer
    dtype = jnp.result_type(*[operand.dtype for operand in operands if operand is not None])
    return dtype if jnp.issubdtype(dtype, jnp.inexact) else jnp.promote_types(dtype, jnp.float32)


def cast(operand: Operand, dtype: Any) -> jax.Array:
    """The operand as a JAX array of the dtype.

    >>> cast(jnp.ones(2, "int32"), "float32").dtype.name
    'float32'
    """
    array = operand if isinstance(operand, jax.Array) else getattr(operand, "value", None)
    if array is not None and array.dtype == dtype:  # itself, or what a variable holds
        return array
    return array_of(operand, dtype)


def as_ids(values: Any) -> jax.Array:
    """Ids or class numbers as int32; what int32 cannot hold, NaN too, becomes its least number.

    That lies outside of every range of ids.

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
    """The array as a matrix, its leading axes folded into one, where they can be.

    Axes sharded by explicit sharding fold only into the first: elsewhere the fold would have to
    move data between devices, which JAX refuses.

    >>> as_rows(jnp.ones((2, 5, 3))).shape
    (10, 3)
    """
    leading = array.shape[:-1]
    if len(leading) < 2 or any(name is not None for name in jax.typeof(array).sharding.spec[1:-1]):
        return array
    return lax.reshape(array, (math.prod(leading), array.shape[-1]))


def is_placed(array: jax.Array) -> bool:
    """Whether an axis of the array is sharded explicitly, so that its type says where it lies."""
    return any(name is not None for name in jax.typeof(array).sharding.spec)


def alike(tree: Any) -> Any:
    """The arrays of a tree, all varying over the same axes inside `shard_map`.

    What autodiff does unasked for its own operations has to be said for a backward pass written
    by hand: the gradient of what is the same on all devices is a sum over them.
    """
    every = {name for leaf in jax.tree.leaves(tree) for name in _varying(leaf)}

    def vary(leaf: jax.Array) -> jax.Array:
        missing = tuple(sorted(every - _varying(leaf)))
        lax: Any = jax.lax
        return lax.pcast(leaf, missing, to="varying") if missing else leaf

    return jax.tree.map(vary, tree) if every else tree


def _varying(array: Any) -> set[str]:
    return set(getattr(getattr(jax.typeof(array), "mat", None), "varying", ()))
