"""Functions of TensorFlow that have no effect in JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

import jax

import lamina
from lamina.compat.tf.tensors import Value, tensor

__all__ = ["function", "identity", "is_tensor"]

Function = TypeVar("Function", bound=Callable[..., Any])


@overload
def function(func: Function, **options: Any) -> Function: ...
@overload
def function(func: None = None, **options: Any) -> Callable[[Function], Function]: ...
def function(func: Any = None, **options: Any) -> Any:
    """Return the function unchanged. To compile a layer, use `lamina.jit(layer)`."""

    def same(given: Function) -> Function:
        return given

    return same if func is None else func


def identity(input: Value) -> jax.Array:
    """Return the input as an array."""
    return tensor(input)


def is_tensor(x: Any) -> bool:
    """Whether the value is a JAX array or a variable."""
    return isinstance(x, jax.Array | lamina.Variable)
