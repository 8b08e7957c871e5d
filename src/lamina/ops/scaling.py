"""Normalization by the root mean square, the length or the largest singular value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from typing import cast as typed

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import Operand, cast, float_dtype
from lamina.ops.normalization import spread

__all__ = ["rms_norm", "singular_value", "unit_norm"]

_WRITTEN_OUT = 32  # the most iterations that are unrolled


def rms_norm(
    x: Operand,
    scale: Operand | None = None,
    *,
    axes: Sequence[int] = (-1,),
    epsilon: float = 1e-6,
) -> jax.Array:
    """Divide by the root mean square over some axes: ``y = scale x / sqrt(mean(x^2) + epsilon)``.

    The mean is computed in at least float32.

    Args:
        x: ``[...]``.
        scale: the sizes of x on ``axes``, in the order of x's axes; None (default) for none.
        axes: the axes to average over; the last by default.
        epsilon: a small positive float added to the mean square; 1e-6 by default.

    Returns:
        The shape of x, in the promoted dtype of the operands.

    Source: Zhang, Sennrich, Root mean square layer normalization, arXiv 1910.07467.

    >>> rms_norm(jnp.array([[2.0, -2.0]]), epsilon=0.0).tolist()
    [[1.0, -1.0]]
    """
    dtype = float_dtype(x, scale)
    wide = cast(x, jnp.promote_types(dtype, jnp.float32))
    over = {axis % wide.ndim for axis in axes}
    square = jnp.mean(lax.square(wide), tuple(sorted(over)), keepdims=True)
    y = wide * lax.rsqrt(square + epsilon)
    return cast(y if scale is None else y * spread(scale, wide, over), dtype)


def unit_norm(x: Operand, *, axes: Sequence[int] = (-1,), epsilon: float = 1e-12) -> jax.Array:
    """Scale to length 1 over some axes: ``y = x / max(sqrt(sum(x^2)), epsilon)``.

    The sum is computed in at least float32.

    Args:
        x: ``[...]``.
        axes: the axes of the vectors; the last by default.
        epsilon: the smallest length to divide by, so that zeros stay zeros; 1e-12 by default.

    Returns:
        The shape of x, in its dtype; float32 for integers.

    >>> unit_norm(jnp.array([[0.0, -2.0], [0.0, 0.0]])).tolist()
    [[0.0, -1.0], [0.0, 0.0]]
    """
    dtype = float_dtype(x)
    wide = cast(x, jnp.promote_types(dtype, jnp.float32))
    square = jnp.sum(lax.square(wide), tuple(axes), keepdims=True)
    return cast(wide * lax.rsqrt(lax.max(square, jnp.asarray(epsilon**2, wide.dtype))), dtype)


def singular_value(weight: Operand, u: Operand, iterations: int = 1) -> tuple[jax.Array, jax.Array]:
    """Estimate the largest singular value of a weight by power iteration.

    ``v = W u / |W u|, u = v W / |v W|`` repeatedly; then ``sigma = v W u``, in at least float32. u
    and v have no gradient: at convergence it would be 0.

    Args:
        weight: ``[..., units]``, W; all axes but the last are merged.
        u: ``[1, units]``, the initial right singular vector, such as that of the last call.
        iterations: the number of iterations, a non-negative integer; 1 by default.

    Returns:
        ``(sigma, u)``, of shape ``[]`` and ``[1, units]``. For a weight of zeros they are 1 and the
        given u.

    Source: Miyato et al., Spectral normalization for generative adversarial networks, arXiv
    1802.05957.

    >>> sigma, u = singular_value(jnp.diag(jnp.array([3.0, 1.0])), jnp.ones((1, 2)), 20)
    >>> f"{sigma:.3f}", u.round(3).tolist()
    ('3.000', [[1.0, 0.0]])
    """
    wide = jnp.promote_types(float_dtype(weight), jnp.float32)
    matrix = cast(weight, wide)
    matrix = lax.reshape(matrix, (matrix.size // matrix.shape[-1], matrix.shape[-1]))
    start = right = cast(u, wide)

    def iterate(_: Any, pair: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        left = unit_norm(pair[1] @ matrix.T, epsilon=1e-7)
        return left, unit_norm(left @ matrix, epsilon=1e-7)

    pair = jnp.zeros((1, matrix.shape[0]), wide), right
    if iterations <= _WRITTEN_OUT:
        for step in range(iterations):
            pair = iterate(step, pair)
    else:
        pair = typed(Any, lax.fori_loop)(0, iterations, iterate, pair)
    left, right = lax.stop_gradient(pair)
    empty = jnp.all(matrix == 0)
    sigma = jnp.where(empty, 1, jnp.vdot(left @ matrix, right))
    return sigma, cast(jnp.where(empty, start, right), u.dtype)
