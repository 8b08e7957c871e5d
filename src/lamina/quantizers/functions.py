"""Quantization of arrays to integers of 8 and 4 bits, and back."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from lamina.errors import InputError, explain
from lamina.ops.quantization import EPSILON, abs_max_quantized, grouped_quantized

__all__ = [
    "abs_max_quantize",
    "abs_max_quantize_grouped_with_zero_point",
    "fake_quant_with_min_max_vars",
    "pack_int4",
    "unpack_int4",
]

_BYTES = ("int8", "uint8")


def abs_max_quantize(
    inputs: ArrayLike,
    axis: int | Sequence[int],
    value_range: Sequence[float] = (-127, 127),
    dtype: str = "int8",
    epsilon: float = EPSILON,
    to_numpy: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """Quantize by the largest absolute value: ``q = round(s x)``, ``s = high / (max|x| + e)``.

    Args:
        inputs: ``[...]``, x, floating.
        axis: int, or sequence of int, axes that share a scale.
        value_range: sequence of two numbers, the lowest and the highest integer; (-127, 127) by
            default.
        dtype: dtype of the integers; ``"int8"`` by default.
        epsilon: float, e; 1e-7 by default.
        to_numpy: bool, whether to compute with NumPy, in the memory of the host; False by default.

    Returns:
        q, of the shape of x, and s, with size 1 on these axes.

    >>> q, s = abs_max_quantize(jnp.array([[1.0, -2.0]]), axis=-1)
    >>> q.tolist(), s.tolist()
    ([[64, -127]], [[63.5]])
    """
    xp: Any = np if to_numpy else jnp
    axes = axis if isinstance(axis, int) else tuple(axis)
    low, high = value_range
    values, scale = abs_max_quantized(xp.asarray(inputs), axes, (low, high), dtype, epsilon, xp)
    return jnp.asarray(values), jnp.asarray(scale)


def abs_max_quantize_grouped_with_zero_point(
    inputs: ArrayLike,
    block_size: int,
    value_range: tuple[int, int] = (-8, 7),
    dtype: str = "int8",
    epsilon: float = EPSILON,
    to_numpy: bool = False,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Quantize groups of rows of a matrix, each by its range: ``q = round(x / s) + z``.

    ``s = (max - min + e) / (high - low)`` and ``z = round(-min / s) + low``, for each column of a
    group.

    Args:
        inputs: ``[rows, columns]``, x, floating.
        block_size: positive integer, rows in a group; the last group may have fewer.
        value_range: pair of int, the lowest and the highest integer; (-8, 7) by default.
        dtype: dtype of the integers; ``"int8"`` by default.
        epsilon: float, e; 1e-7 by default.
        to_numpy: has no effect: NumPy always computes it.

    Returns:
        q ``[rows, columns]``; s and z ``[groups, columns]``, z as int8.

    >>> q, s, z = abs_max_quantize_grouped_with_zero_point(jnp.array([[0.0], [1.5]]), 2)
    >>> q.tolist(), s.shape, z.tolist()
    ([[-8], [7]], (1, 1), [[-8]])
    """
    matrix = np.asarray(inputs).T
    values, scale, zero = grouped_quantized(matrix, block_size, value_range, epsilon)
    return jnp.asarray(values.T.astype(dtype)), jnp.asarray(scale.T), jnp.asarray(zero.T)


def pack_int4(
    arr: ArrayLike, axis: int = 0, dtype: str = "int8"
) -> tuple[jax.Array, tuple[int, ...], int]:
    """Store pairs of 4-bit integers that follow each other on an axis in one byte each.

    The first of a pair is in the low half of the byte.

    Args:
        arr: ``[..., n, ...]``, int8 or uint8, with values from -8 to 7, or from 0 to 15.
        axis: int, the axis; 0 by default.
        dtype: ``"int8"`` (default) or ``"uint8"``, the dtype of `arr`.

    Returns:
        The bytes ``[..., ceil(n / 2), ...]``, their shape, and n.

    Raises:
        InputError: the dtype is another.

    >>> packed, shape, n = pack_int4(jnp.array([-3, 2, 1], jnp.int8))
    >>> packed.tolist(), shape, n
    ([45, 1], (2,), 3)
    """
    values = np.asarray(arr)
    _check_bytes(dtype, values.dtype, (dtype,))
    values = np.moveaxis(values, axis, 0)
    pairs = np.pad(values, [(0, len(values) % 2), *[(0, 0)] * (values.ndim - 1)])
    stored = (pairs[::2] & 15) | (pairs[1::2] << 4).astype(dtype)
    stored = np.moveaxis(stored, 0, axis)
    return jnp.asarray(stored), stored.shape, len(values)


def unpack_int4(packed: ArrayLike, orig_len: int, axis: int = 0, dtype: str = "int8") -> jax.Array:
    """Return the integers that :func:`pack_int4` stored.

    Args:
        packed: the bytes.
        orig_len: int, the number of integers on the axis.
        axis: int, the axis; 0 by default.
        dtype: ``"int8"`` (default) for values from -8 to 7, ``"uint8"`` for values from 0 to 15.

    Returns:
        The integers.

    Raises:
        InputError: the dtype is another.

    >>> unpack_int4(jnp.array([45, 1], jnp.int8), 3).tolist()
    [-3, 2, 1]
    """
    stored = jnp.asarray(packed)
    _check_bytes(dtype, stored.dtype, _BYTES)
    stored = jnp.moveaxis(stored, axis, 0)
    pairs = jnp.stack([stored & 15, (stored >> 4) & 15], 1)
    if dtype == "int8":
        pairs = (pairs.astype(jnp.int8) ^ 8) - 8
    values = pairs.reshape(-1, *stored.shape[1:])[:orig_len].astype(dtype)
    return jnp.moveaxis(values, 0, axis)


def _check_bytes(dtype: str, received: Any, expected: Sequence[str]) -> None:
    if dtype not in _BYTES or str(received) not in expected:
        raise InputError(
            explain(
                "Integers of 4 bits are stored in bytes.",
                expected="an array and a dtype of int8 or uint8",
                received=f"an array of {received} and dtype={dtype!r}",
                remedy="Convert the array first, with array.astype('int8').",
            )
        )


def fake_quant_with_min_max_vars(
    inputs: ArrayLike,
    min_vals: ArrayLike,
    max_vals: ArrayLike,
    num_bits: int = 8,
    narrow_range: bool = False,
    axis: int | None = None,
) -> jax.Array:
    """Round floats to the values that integers of a range would have.

    The gradient of x passes within the range; those of the bounds are the sums of the gradients of
    the values outside of it.

    Args:
        inputs: ``[...]``, x, floating.
        min_vals: the lowest value, a scalar; or ``[size of axis]``.
        max_vals: the highest value, a scalar; or ``[size of axis]``.
        num_bits: int, bits of the integers; 8 by default.
        narrow_range: bool, whether the lowest integer is 1 instead of 0; False by default.
        axis: int, the axis that the bounds belong to, which must be the last for bounds that are no
            scalars; None (default) for scalars.

    Returns:
        ``[...]``, in the dtype of x.

    >>> fake_quant_with_min_max_vars(jnp.array([0.3, 2.0]), 0.0, 1.0, num_bits=1).tolist()
    [0.0, 1.0]
    """
    x = jnp.asarray(inputs)
    kept = None if axis is None else axis % x.ndim
    least = 1 if narrow_range else 0
    bounds = jnp.asarray(min_vals), jnp.asarray(max_vals)
    return _fake_quantized(x, *bounds, least, (1 << int(num_bits)) - 1, kept)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def _fake_quantized(
    x: jax.Array, low: jax.Array, high: jax.Array, least: int, most: int, axis: int | None
) -> jax.Array:
    return _rounded(x, low, high, least, most)[0]


def _rounded(x: jax.Array, low: jax.Array, high: jax.Array, least: int, most: int) -> Any:
    dtype = jnp.promote_types(low.dtype, jnp.float32)
    low, high = low.astype(dtype), high.astype(dtype)
    scale, inverse = (high - low) / (most - least), (most - least) / (high - low)
    zero = jnp.round(jnp.clip(least - low / scale, least, most))
    start, end = (least - zero) * scale, (most - zero) * scale
    shifted = (jnp.clip(x.astype(dtype), start, end) - start) * inverse
    steps = jnp.floor(shifted - jnp.floor(-start * inverse + 0.5) + 0.5)
    return (steps * scale).astype(x.dtype), start, end


def _forward(
    x: jax.Array, low: jax.Array, high: jax.Array, least: int, most: int, axis: int | None
) -> Any:
    y, start, end = _rounded(x, low, high, least, most)
    return y, (x, start, end, low, high)


def _backward(least: int, most: int, axis: int | None, kept: Any, gradient: jax.Array) -> Any:
    x, start, end, low, high = kept
    summed = tuple(one for one in range(x.ndim) if one != axis)

    def of(mask: jax.Array, bound: jax.Array) -> jax.Array:
        total = jnp.sum(jnp.where(mask, gradient, 0), axis=summed)
        return total.reshape(bound.shape).astype(bound.dtype)

    inside = jnp.where((x >= start) & (x <= end), gradient, 0)
    return inside, of(x <= start, low), of(x >= end, high)


_fake_quantized.defvjp(_forward, _backward)
