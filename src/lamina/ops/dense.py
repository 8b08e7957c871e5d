"""The dense layer's operation: an affine map of the last axis."""

from __future__ import annotations

from collections.abc import Callable

import jax
from jax import lax

from lamina.ops.arrays import Operand, as_rows, cast, float_dtype

__all__ = ["dense"]


def dense(x: Operand, kernel: Operand, bias: Operand | None = None) -> jax.Array:
    """Compute an affine map of the last axis: ``y = x kernel + bias``.

    Leading axes are merged for the product: XLA multiplies matrices faster than batches of
    matrices, in particular in the backward pass.

    Args:
        x: ``[..., features]``, at least one axis.
        kernel: ``[features, units]``.
        bias: ``[units]``; None (default) for no bias.

    Returns:
        ``[..., units]``, in the promoted dtype of the operands.

    Raises:
        TypeError: ``features`` of x and kernel differ.

    >>> import jax.numpy as jnp
    >>> dense(jnp.ones((2, 5, 3)), jnp.ones((3, 4)), jnp.zeros(4)).shape
    (2, 5, 4)
    """
    dtype = float_dtype(x, kernel, bias)
    x, kernel = cast(x, dtype), cast(kernel, dtype)
    y = _affine(as_rows(x), kernel, None if bias is None else cast(bias, dtype))
    leading = x.shape[:-1]
    return y if y.shape[:-1] == leading else lax.reshape(y, (*leading, y.shape[-1]))


def _of_rows(x: jax.Array, kernel: jax.Array, bias: jax.Array | None) -> jax.Array:
    y = lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())))
    if bias is None:
        return y
    return lax.add(y, lax.broadcast_in_dim(bias, y.shape, (y.ndim - 1,)))


# Traced once for all layers of the same shapes, and inlined.
_affine: Callable[..., jax.Array] = jax.jit(_of_rows, inline=True)
