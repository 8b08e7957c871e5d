"""Products of two arrays by an equation."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from lamina.ops.arrays import Operand, cast, float_dtype

__all__ = ["einsum"]


def einsum(equation: str, x: Operand, kernel: Operand, bias: Operand | None = None) -> jax.Array:
    """The product that an equation says, and a bias: ``y = einsum(equation, x, kernel) + bias``.

    Args:
        equation: as for :func:`jax.numpy.einsum`, with two operands.
        x: ``[...]``.
        kernel: ``[...]``.
        bias: broadcasts against the product; None for no bias.

    Returns:
        In the dtype the operands meet in.

    >>> einsum("abc,cd->abd", jnp.ones((2, 5, 3)), jnp.ones((3, 4))).shape
    (2, 5, 4)
    """
    dtype = float_dtype(x, kernel, bias)
    y = jnp.einsum(equation, cast(x, dtype), cast(kernel, dtype))
    return y if bias is None else y + cast(bias, dtype)
