"""Functions of TensorFlow that do nothing in JAX."""

from __future__ import annotations

from typing import Any

import jax

import lamina
from lamina.compat.tf.tensors import Value, tensor

__all__ = ["identity", "is_tensor"]


def identity(input: Value) -> jax.Array:
    """Return the input as an array."""
    return tensor(input)


def is_tensor(x: Any) -> bool:
    """Whether the value is a JAX array or a variable."""
    return isinstance(x, jax.Array | lamina.Variable)
