"""Products of arrays, norms and parts of matrices: `tf.linalg`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lamina.compat.tf.missing import missing
from lamina.compat.tf.tensors import Value, tensor
from lamina.compat.tf.tensors import tensor as tensor_of
from lamina.narrowing import array_of

__all__ = ["band_part", "diag", "diag_part", "einsum", "matmul", "norm", "tensordot", "trace"]


def matmul(a: Value, b: Value, transpose_a: bool = False, transpose_b: bool = False) -> jax.Array:
    """The product of matrices in the last two axes."""
    left, right = tensor(a), tensor(b)
    left = left.swapaxes(-1, -2) if transpose_a else left
    return jnp.matmul(left, right.swapaxes(-1, -2) if transpose_b else right)


def tensordot(a: Value, b: Value, axes: Any) -> jax.Array:
    """Sums of products over chosen axes."""
    return jnp.tensordot(tensor(a), tensor(b), axes)


def einsum(equation: str, *inputs: Value) -> jax.Array:
    """Sums of products by named axes."""
    return jnp.einsum(equation, *map(tensor, inputs))


def norm(
    tensor: Value, ord: Any = "euclidean", axis: Any = None, keepdims: bool = False
) -> jax.Array:
    """The length of a vector, or of all elements as one vector; other norms by `ord`."""
    array = array_of(tensor)
    if ord == "euclidean":
        return jnp.sqrt(jnp.sum(jnp.square(jnp.abs(array)), axis=axis, keepdims=keepdims))
    if axis is None:
        array = array.ravel()
    return tensor_of(jnp.linalg.norm(array, ord, axis, keepdims))


def band_part(input: Value, num_lower: int, num_upper: int) -> jax.Array:
    """A matrix with zeros outside a band about its diagonal; -1 keeps that whole side."""
    array = tensor(input)
    rows, columns = jnp.arange(array.shape[-2])[:, None], jnp.arange(array.shape[-1])
    below = (rows - columns <= num_lower) if num_lower >= 0 else True
    above = (columns - rows <= num_upper) if num_upper >= 0 else True
    return jnp.where(jnp.logical_and(below, above), array, jnp.zeros((), array.dtype))


def diag(diagonal: Value) -> jax.Array:
    """Matrices with a given diagonal."""
    array = tensor(diagonal)
    return array[..., None] * jnp.eye(array.shape[-1], dtype=array.dtype)


def diag_part(input: Value) -> jax.Array:
    """The diagonal of matrices."""
    return tensor(jnp.diagonal(tensor(input), axis1=-2, axis2=-1))


def trace(x: Value) -> jax.Array:
    """The sum along the diagonal of matrices."""
    return jnp.sum(diag_part(x), axis=-1)


def __getattr__(name: str) -> Any:
    raise missing("tf.linalg", name, __all__)
