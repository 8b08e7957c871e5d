"""Einstein summation of two arrays, with a bias."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from lamina.ops.arrays import Operand, cast, float_dtype

__all__ = ["einsum"]


def einsum(equation: str, x: Operand, kernel: Operand, bias: Operand | None = None) -> jax.Array:
    """Compute ``y = einsum(equation, x, kernel) + bias``.

    Args:
        equation: an equation of :func:`jax.numpy.einsum` with two operands.
        x: ``[...]``.
        kernel: ``[...]``.
        bias: an array that broadcasts against the product; None (default) for no bias.

    Returns:
        The product, in the promoted dtype of the operands.

    >>> einsum("abc,cd->abd", jnp.ones((2, 5, 3)), jnp.ones((3, 4))).shape
    (2, 5, 4)
    """
    dtype = float_dtype(x, kernel, bias)
    y = jnp.einsum(equation, cast(x, dtype), cast(kernel, dtype))
    return y if bias is None else y + cast(bias, dtype)
