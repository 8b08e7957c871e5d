"""Floats of 8 bits with a scale that follows the largest values of the last steps."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

__all__ = ["compute_float8_amax_history", "compute_float8_scale", "quantize_and_dequantize"]


def compute_float8_scale(
    amax: ArrayLike, scale: ArrayLike, dtype_max: ArrayLike, margin: int = 0
) -> jax.Array:
    """Compute the scale at which the largest value is that of the dtype: ``2^m amax / dtype_max``.

    Args:
        amax: the largest absolute value.
        scale: the former scale, which stays if amax is 0 or not finite.
        dtype_max: the largest value of the dtype.
        margin: int, m; 0 by default.

    Returns:
        The scale.

    >>> float(compute_float8_scale(2.0, 1.0, 8.0))
    0.25
    """
    largest, before = jnp.asarray(amax), jnp.reciprocal(jnp.asarray(scale, jnp.float32))
    factor = jnp.asarray(dtype_max) / largest / 2**margin
    usable = (largest > 0.0) & jnp.isfinite(largest)
    return jnp.reciprocal(jnp.where(usable, factor, before))


def compute_float8_amax_history(x: ArrayLike, amax_history: ArrayLike) -> jax.Array:
    """Add the largest absolute value of an array to a history of such values.

    Args:
        x: the array.
        amax_history: ``[length]``, the values, the last one first.

    Returns:
        ``[length]``, shifted by one.

    >>> compute_float8_amax_history(jnp.array([3.0, -4.0]), jnp.array([1.0, 2.0])).tolist()
    [4.0, 1.0]
    """
    history: Any = jnp.asarray(amax_history)
    largest = jnp.max(jnp.abs(jnp.asarray(x))).astype(history.dtype)
    return jnp.roll(history, -1).at[0].set(largest)


def quantize_and_dequantize(
    inputs: ArrayLike, scale: ArrayLike, quantized_dtype: DTypeLike, compute_dtype: DTypeLike
) -> jax.Array:
    """Round an array to a dtype of 8 bits: ``y = s cast(clip(x / s))``.

    Args:
        inputs: x.
        scale: s, a scalar.
        quantized_dtype: the dtype, such as ``"float8_e4m3fn"``.
        compute_dtype: the dtype of the result.

    Returns:
        y, of the shape of x.

    >>> quantize_and_dequantize(jnp.array([1.0, 1.1]), 1.0, "float8_e4m3fn", "float32").tolist()
    [1.0, 1.125]
    """
    factor = jnp.asarray(scale, compute_dtype)
    largest = jnp.asarray(jnp.finfo(quantized_dtype).max, compute_dtype)
    scaled = jnp.clip(jnp.asarray(inputs) / factor, -largest, largest)
    return scaled.astype(quantized_dtype).astype(compute_dtype) * factor
