"""Rotary position embeddings."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import cast

__all__ = ["rotate"]


def rotate(x: jax.Array, positions: jax.Array, *, max_wavelength: float = 10_000.0) -> jax.Array:
    """Rotates pairs of features by angles that grow with the position.

    Feature i of the first half and feature i of the second are the real and imaginary part of
    ``z_i``, and ``y_i = z_i exp(1j position max_wavelength^(-i / half))``: the dot
    product of a rotated query and a rotated key depends on the distance of their positions.

    Args:
        x: ``[batch, time, ..., features]``, with an even number of features.
        positions: ``[time]`` or ``[batch, time]``.
        max_wavelength: wavelength of the slowest pair, in positions, divided by 2 pi; 10,000 by
            default.

    Returns:
        An array like x, computed in at least float32.

    Source: Su et al., RoFormer, arXiv 2104.09864.

    >>> rotate(jnp.array([[[1.0, 0.0]]]), jnp.array([jnp.pi / 2])).round(4).tolist()
    [[[-0.0, 1.0]]]
    """
    half = x.shape[-1] // 2
    wide = cast(x, jnp.promote_types(x.dtype, jnp.float32))
    frequency = max_wavelength ** (-jnp.arange(half, dtype=wide.dtype) / half)
    angle = lax.expand_dims(cast(positions, wide.dtype), (positions.ndim,)) * frequency
    between = range(angle.ndim - 1, angle.ndim - 1 + x.ndim - 3)
    angle = lax.expand_dims(angle, tuple(between))  # [(batch,) time, 1, ..., half]
    real, imaginary = wide[..., :half], wide[..., half:]
    cos, sin = lax.cos(angle), lax.sin(angle)
    rotated = (real * cos - imaginary * sin, imaginary * cos + real * sin)
    return cast(jnp.concatenate(rotated, -1), x.dtype)
