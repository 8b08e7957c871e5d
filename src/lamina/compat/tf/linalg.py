"""`tf.linalg`: products, norms and parts of matrices."""

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
    """Matrix product over the last two axes."""
    left, right = tensor(a), tensor(b)
    left = left.swapaxes(-1, -2) if transpose_a else left
    return jnp.matmul(left, right.swapaxes(-1, -2) if transpose_b else right)


def tensordot(a: Value, b: Value, axes: Any) -> jax.Array:
    """Tensor contraction over the given axes."""
    return jnp.tensordot(tensor(a), tensor(b), axes)


def einsum(equation: str, *inputs: Value) -> jax.Array:
    """Einstein summation."""
    return jnp.einsum(equation, *map(tensor, inputs))


def norm(
    tensor: Value, ord: Any = "euclidean", axis: Any = None, keepdims: bool = False
) -> jax.Array:
    """Norm over the given axes, or of the flattened array. Default: the Euclidean norm."""
    array = array_of(tensor)
    if ord == "euclidean":
        return jnp.sqrt(jnp.sum(jnp.square(jnp.abs(array)), axis=axis, keepdims=keepdims))
    if axis is None:
        array = array.ravel()
    return tensor_of(jnp.linalg.norm(array, ord, axis, keepdims))


def band_part(input: Value, num_lower: int, num_upper: int) -> jax.Array:
    """Set elements outside a band around the diagonal to zero; -1 keeps a whole triangle."""
    array = tensor(input)
    rows, columns = jnp.arange(array.shape[-2])[:, None], jnp.arange(array.shape[-1])
    below = (rows - columns <= num_lower) if num_lower >= 0 else True
    above = (columns - rows <= num_upper) if num_upper >= 0 else True
    return jnp.where(jnp.logical_and(below, above), array, jnp.zeros((), array.dtype))


def diag(diagonal: Value) -> jax.Array:
    """Diagonal matrices with the given diagonals."""
    array = tensor(diagonal)
    return array[..., None] * jnp.eye(array.shape[-1], dtype=array.dtype)


def diag_part(input: Value) -> jax.Array:
    """The diagonals of matrices."""
    return tensor(jnp.diagonal(tensor(input), axis1=-2, axis2=-1))


def trace(x: Value) -> jax.Array:
    """The traces of matrices."""
    return jnp.sum(diag_part(x), axis=-1)


def __getattr__(name: str) -> Any:
    raise missing("tf.linalg", name, __all__)
