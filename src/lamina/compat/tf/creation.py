"""Creation of arrays and variables."""

# ruff: noqa: N802 - the names are TensorFlow's
from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lamina
from lamina.compat.tf.tensors import Dims, Value, dims, is_traced, tensor
from lamina.errors import TraceError, explain
from lamina.initializers import Constant

__all__ = [
    "Variable",
    "cast",
    "constant",
    "convert_to_tensor",
    "eye",
    "fill",
    "linspace",
    "one_hot",
    "ones",
    "ones_like",
    "range_",
    "sequence_mask",
    "zeros",
    "zeros_like",
]


def Variable(
    initial_value: Value, trainable: bool = True, name: str | None = None, dtype: Any = None
) -> lamina.Variable:
    """A variable with a given initial value, to be assigned to an attribute of a layer.

    Args:
        initial_value: number, list or array.
        trainable: whether training updates the variable. Default: True.
        name: name of the variable. Default: the name of the attribute.
        dtype: dtype of the variable. Default: the dtype of the value.

    Raises:
        TraceError: the value is a tracer.
    """
    array = tensor(initial_value, dtype)
    if is_traced(array):
        raise TraceError(
            explain(
                "tf.Variable received a traced value.",
                expected="a variable with concrete values, created in __init__",
                received=f"tf.Variable(...) of shape {array.shape} in build or call",
                remedy="In build, use self.add_weight(shape=..., initializer=...).",
            )
        )
    initializer = Constant(np.asarray(array))
    variable = lamina.Variable(
        array.shape, initializer, dtype=array.dtype, trainable=trainable, name=name
    )
    return variable.assign(array)


def constant(value: Value, dtype: Any = None, shape: Dims | None = None) -> jax.Array:
    """An array with the given values; a single value fills the shape."""
    array = tensor(value, dtype)
    if shape is None:
        return array
    return jnp.full(dims(shape), array) if array.size == 1 else array.reshape(dims(shape))


def convert_to_tensor(value: Value, dtype: Any = None) -> jax.Array:
    """Convert a value to an array."""
    return tensor(value, dtype)


def cast(x: Value, dtype: Any) -> jax.Array:
    """Convert to another dtype. Floats are truncated to integers."""
    return tensor(x).astype(dtype)


def zeros(shape: Dims, dtype: Any = jnp.float32) -> jax.Array:
    """An array of zeros."""
    return jnp.zeros(dims(shape), dtype)


def ones(shape: Dims, dtype: Any = jnp.float32) -> jax.Array:
    """An array of ones."""
    return jnp.ones(dims(shape), dtype)


def zeros_like(input: Value, dtype: Any = None) -> jax.Array:
    """An array of zeros with the shape of the input."""
    return jnp.zeros_like(tensor(input), dtype=dtype)


def ones_like(input: Value, dtype: Any = None) -> jax.Array:
    """An array of ones with the shape of the input."""
    return jnp.ones_like(tensor(input), dtype=dtype)


def fill(dims: Dims, value: Value) -> jax.Array:
    """An array filled with one value."""
    return constant(value, shape=dims)


def eye(num_rows: int, num_columns: int | None = None, dtype: Any = jnp.float32) -> jax.Array:
    """The identity matrix."""
    return jnp.eye(num_rows, num_columns, dtype=dtype)


def linspace(start: Value, stop: Value, num: int, axis: int = 0) -> jax.Array:
    """``num`` evenly spaced numbers in [start, stop]."""
    return jnp.linspace(tensor(start), tensor(stop), num, axis=axis)


def range_(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None) -> jax.Array:
    """The numbers from `start` to `limit` (exclusive), with the step `delta`; `range(n)` starts at
    0."""
    first, last = (0, start) if limit is None else (start, limit)
    return jnp.arange(first, last, delta, dtype=dtype)


def one_hot(
    indices: Value,
    depth: int,
    on_value: float = 1.0,
    off_value: float = 0.0,
    axis: int = -1,
    dtype: Any = jnp.float32,
) -> jax.Array:
    """One-hot vectors of length `depth`. An index out of range gives `off_value` everywhere."""
    hot = jax.nn.one_hot(tensor(indices), depth, axis=axis, dtype=jnp.bool_)
    return jnp.where(hot, jnp.asarray(on_value, dtype), jnp.asarray(off_value, dtype))


def sequence_mask(lengths: Value, maxlen: int | None = None, dtype: Any = jnp.bool_) -> jax.Array:
    """A mask ``[..., maxlen]`` that is True at positions less than `lengths[...]`."""
    sizes = tensor(lengths)
    longest = int(sizes.max()) if maxlen is None else maxlen
    return (jnp.arange(longest) < sizes[..., None]).astype(dtype)
