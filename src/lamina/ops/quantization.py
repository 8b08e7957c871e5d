"""Matrices of integers with scales: quantization, and products with arrays of floats.

A quantized matrix is ``[channels, inputs]``: each row has the weights of one output. Products with
rows in this order read memory in order, and XLA computes them fastest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.ops.arrays import as_ids
from lamina.ops.lookup import lookup

__all__ = [
    "EPSILON",
    "Form",
    "Quantized",
    "abs_max_quantized",
    "dequantized",
    "grouped_quantized",
    "packed",
    "product",
    "rows_of",
    "unpacked",
]

EPSILON = 1e-7
"""What is added to the largest absolute value before it divides."""

_BLOCK = 64  # rows that are converted to floats at a time
_LARGE = 1 << 18  # bytes of a matrix that is converted in blocks

Array = Any
Quantizer = Callable[..., tuple[Any, Any]]


class Form(NamedTuple):
    """How a matrix is quantized.

    Attributes:
        bits: 8 or 4.
        block: number of inputs that share a scale and a zero point; None for one scale a row.
        quantizer: quantizes the arrays that are multiplied with the matrix, called with the array
            and ``axis=-1``; None if they stay floats.
    """

    bits: int = 8
    block: int | None = None
    quantizer: Quantizer | None = None


class Quantized(NamedTuple):
    """A quantized matrix of shape ``[channels, inputs]``.

    Attributes:
        values: int8 ``[channels, inputs]``; for 4 bits ``[ceil(channels / 2), inputs]``, where the
            low half of each byte is of the first half of the channels.
        scale: ``[channels]``, ``w = values / scale``; with blocks ``[channels, groups]``,
            ``w = (values - zero) scale``.
        zero: int8 ``[channels, groups]``; None without blocks.
    """

    values: jax.Array
    scale: jax.Array
    zero: jax.Array | None = None


# Quantization, on the host.


def abs_max_quantized(
    x: Array,
    axis: int | tuple[int, ...],
    value_range: tuple[float, float],
    dtype: Any,
    epsilon: float,
    xp: Any = np,
) -> tuple[Array, Array]:
    """Quantize by the largest absolute value: ``round(x scale)``, ``scale = high / max|x|``.

    Args:
        x: ``[...]``, floating.
        axis: axes that share a scale.
        value_range: lowest and highest integer.
        dtype: dtype of the integers.
        epsilon: added to the largest value.
        xp: numpy or jax.numpy.

    Returns:
        The integers, of the shape of x, and the scales, with size 1 on these axes.
    """
    low, high = value_range
    largest = xp.max(xp.abs(x), axis=axis, keepdims=True)
    scale = xp.divide(high, xp.add(largest, epsilon)).astype(x.dtype)
    return xp.clip(xp.round(x * scale), low, high).astype(dtype), scale


def grouped_quantized(
    matrix: np.ndarray, block: int, value_range: tuple[int, int], epsilon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quantize blocks of the inputs, each by its range: ``round(w / scale) + zero``.

    Args:
        matrix: ``[channels, inputs]``.
        block: number of inputs in a block; the last may have fewer.
        value_range: lowest and highest integer.
        epsilon: added to the range.

    Returns:
        The integers as int8 ``[channels, inputs]``, and scales and zero points
        ``[channels, groups]``.
    """
    low, high = value_range
    channels, inputs = matrix.shape
    groups, xp = -(-inputs // block), cast(Any, np)
    blocks = xp.pad(matrix, ((0, 0), (0, groups * block - inputs)))
    blocks = blocks.reshape(channels, groups, block)
    least, most = blocks.min(-1, keepdims=True), blocks.max(-1, keepdims=True)
    scale = xp.divide(most - least + epsilon, high - low)
    zero = xp.clip(xp.round(-least / scale) + low, low, high)
    values = xp.clip(xp.round(blocks / scale) + zero, low, high).astype(np.int8)
    values = values.reshape(channels, groups * block)[:, :inputs]
    return values, scale[..., 0].astype(matrix.dtype), zero[..., 0].astype(np.int8)


def packed(values: np.ndarray) -> np.ndarray:
    """Store two integers of 4 bits in each byte.

    Args:
        values: int8 ``[channels, inputs]``, from -8 to 7.

    Returns:
        int8 ``[ceil(channels / 2), inputs]``.

    >>> packed(np.array([[-3], [7], [2]], np.int8)).tolist()
    [[45], [7]]
    """
    half = -(-len(values) // 2)
    high = np.pad(values[half:], ((0, 2 * half - len(values)), (0, 0)))
    return (values[:half] & 15) | (high << 4).astype(np.int8)


def unpacked(values: Array, channels: int) -> Array:
    """Return the integers of :func:`packed`.

    Args:
        values: int8 ``[ceil(channels / 2), inputs]``.
        channels: number of channels.

    Returns:
        int8 ``[channels, inputs]``.

    >>> unpacked(jnp.array([[45], [7]], jnp.int8), 3).tolist()
    [[-3], [7], [2]]
    """
    return jnp.concatenate(_halves(values))[:channels]


def _halves(values: Array) -> list[Array]:
    low = jnp.subtract(jnp.bitwise_xor(jnp.bitwise_and(values, 15), 8), 8)
    return [low.astype(values.dtype), jnp.right_shift(values, 4)]


# Products.


def product(x: jax.Array, matrix: Quantized, form: Form) -> jax.Array:
    """Multiply rows with a quantized matrix: ``y = x w^T``.

    With a quantizer the product is one of integers: ``y = (q w_q^T) / (scale_x scale_w)``. The
    derivative with regard to x is that of ``x w^T``; the matrix has none.

    Args:
        x: ``[rows, inputs]``, floating.
        matrix: the matrix.
        form: how it is quantized.

    Returns:
        ``[rows, channels]``, float32.
    """
    return cast(jax.Array, _product(x.astype(jnp.float32), matrix, form))


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _product(x: jax.Array, matrix: Quantized, form: Form) -> jax.Array:
    if form.quantizer is not None and form.block is None:
        integers, factor = form.quantizer(x, axis=-1)
        values = matrix.values
        if form.bits == 4:
            values = unpacked(values, len(matrix.scale))
        sums = _integer_product(integers.astype(jnp.int8), values)
        return sums.astype(jnp.float32) / (matrix.scale * factor)
    return _float_product(x, matrix, form)


@_product.defjvp
def _product_jvp(form: Form, primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    x, matrix = primals
    tangent = _transposed(tangents[0], dequantized(matrix, form, x.shape[-1]))
    return cast(jax.Array, _product(x, matrix, form)), tangent


def _transposed(x: jax.Array, rows: jax.Array) -> jax.Array:
    return lax.dot_general(x, rows, (((1,), (1,)), ((), ())))


def _integer_product(x: jax.Array, values: jax.Array) -> jax.Array:
    count = len(x)
    if count == 1 and jax.default_backend() == "cpu":  # XLA's fast products have two rows or more
        x = jnp.pad(x, ((0, 1), (0, 0)))
    dimensions = (((1,), (1,)), ((), ()))
    return lax.dot_general(x, values, dimensions, preferred_element_type=jnp.int32)[:count]


def _float_product(x: jax.Array, matrix: Quantized, form: Form) -> jax.Array:
    """The product with the matrix as floats, of which a large one is never in memory as a whole."""
    stored, inputs = matrix.values.shape
    count = stored // _BLOCK
    if matrix.values.size < _LARGE or not count or jax.default_backend() != "cpu":
        return _transposed(x, dequantized(matrix, form, inputs))
    planes = _planes(matrix, form)
    cut = count * _BLOCK

    def sums(values: jax.Array, parts: Any) -> list[jax.Array]:
        halves = _halves(values) if form.bits == 4 else [values]
        pairs = zip(halves, parts, strict=True)
        rows = [_scaled(half, scale, zero, form, inputs) for half, (scale, zero) in pairs]
        return [_transposed(x, one) for one in rows]

    def step(carry: None, block: Any) -> tuple[None, list[jax.Array]]:
        return carry, sums(*block)

    def blocks(array: jax.Array) -> jax.Array:
        return array[:cut].reshape(count, _BLOCK, *array.shape[1:])

    def below(array: jax.Array) -> jax.Array:
        return array[cut:]

    _, found = lax.scan(step, None, jax.tree.map(blocks, (matrix.values, planes)))
    outputs = [jnp.moveaxis(one, 0, 1).reshape(len(x), cut) for one in found]
    if cut < stored:
        rest = sums(*jax.tree.map(below, (matrix.values, planes)))
        outputs = [jnp.concatenate(pair, 1) for pair in zip(outputs, rest, strict=True)]
    return jnp.concatenate(outputs, 1)[:, : len(matrix.scale)]


def _planes(matrix: Quantized, form: Form) -> list[tuple[jax.Array, jax.Array | None]]:
    """The scales and zero points of the rows, for 4 bits those of each half of the channels."""
    if form.bits == 8:
        return [(matrix.scale, matrix.zero)]
    half = len(matrix.values)

    def second(array: jax.Array) -> jax.Array:
        missing = 2 * half - len(array)
        return jnp.pad(array[half:], [(0, missing), *[(0, 0)] * (array.ndim - 1)], mode="edge")

    if matrix.zero is None:
        return [(matrix.scale[:half], None), (second(matrix.scale), None)]
    return [
        (matrix.scale[:half], matrix.zero[:half]),
        (second(matrix.scale), second(matrix.zero)),
    ]


def _scaled(
    values: jax.Array, scale: jax.Array, zero: jax.Array | None, form: Form, inputs: int
) -> jax.Array:
    """The floats of rows of integers."""
    floats = values.astype(jnp.float32)
    scale = scale.astype(jnp.float32)
    if zero is None or form.block is None:
        return floats / scale[..., None]
    if inputs % form.block:
        groups = np.arange(inputs) // form.block
        return (floats - jnp.take(zero, groups, axis=-1)) * jnp.take(scale, groups, axis=-1)
    blocks = floats.reshape(*scale.shape, form.block)
    return ((blocks - zero[..., None]) * scale[..., None]).reshape(values.shape)


def dequantized(matrix: Quantized, form: Form, inputs: int) -> jax.Array:
    """Return the floats of a quantized matrix.

    Args:
        matrix: the matrix.
        form: how it is quantized.
        inputs: size of its second axis.

    Returns:
        ``[channels, inputs]``, float32.
    """
    values = matrix.values
    if form.bits == 4:
        values = unpacked(values, len(matrix.scale))
    return _scaled(values, matrix.scale, matrix.zero, form, inputs)


def rows_of(matrix: Quantized, ids: Any, form: Form) -> jax.Array:
    """Look up rows of a quantized matrix, as :func:`lamina.ops.lookup.lookup`.

    Args:
        matrix: the matrix.
        ids: ``[...]``; one outside of ``[0, channels)`` gives NaN.
        form: how it is quantized.

    Returns:
        ``[..., inputs]``, float32.
    """
    index = as_ids(ids)
    scale = matrix.scale.astype(jnp.float32)
    scale = lookup(scale[:, None], index)[..., 0] if scale.ndim == 1 else lookup(scale, index)
    zero = None if matrix.zero is None else jnp.take(matrix.zero, index, axis=0, mode="clip")
    at = index
    if form.bits == 4:
        half = len(matrix.values)
        at = jnp.where(index >= half, index - half, index)
    values = jnp.take(matrix.values, at, axis=0, mode="clip")
    if form.bits == 4:
        low, high = _halves(values)
        values = jnp.where((index >= len(matrix.values))[..., None], high, low)
    return _scaled(values, scale, zero, form, values.shape[-1])
