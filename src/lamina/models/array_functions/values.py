"""Converting the arguments of Keras's operations, and making functions with its signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp

from lamina.errors import InputError, explain

__all__ = [
    "Function",
    "array",
    "binary",
    "bitwise",
    "dense_only",
    "float_binary",
    "floating",
    "floats",
    "many",
    "refused",
    "tuples",
    "unary",
    "wide",
]

Function = Callable[..., Any]


def array(value: Any) -> Any:
    """Convert a value to an array. A Python number keeps its weak dtype."""
    return jnp.asarray(value)


def floats(value: Any) -> Any:
    """Convert a value to an array; one of integers or bools becomes one of float32."""
    made = array(value)
    inexact = jnp.issubdtype(made.dtype, jnp.inexact)
    return made if inexact else made.astype(jnp.float32)


def wide(value: Any) -> Any:
    """Convert a value to an array of at least float32."""
    made = array(value)
    return made.astype(jnp.promote_types(made.dtype, jnp.float32))


def many(values: Any) -> list[Any]:
    """Convert a list of values, or the rows of an array, to arrays."""
    return [array(value) for value in values]


def tuples(value: Any) -> Any:
    """Convert lists to tuples, at any depth: JSON has lists where JAX takes tuples.

    >>> tuples({"axis": [0, 1]})
    {'axis': (0, 1)}
    """
    if type(value) in (list, tuple):
        return tuple(tuples(item) for item in cast("list[Any]", value))
    if type(value) is dict:
        return {key: tuples(item) for key, item in cast("dict[Any, Any]", value).items()}
    return value


def unary(function: Callable[[Any], Any]) -> Function:
    """Return a function of `x` alone."""

    def apply(x: Any) -> Any:
        return function(array(x))

    return apply


def floating(function: Callable[[Any], Any]) -> Function:
    """Return a function of `x` alone, computed in floating point."""

    def apply(x: Any) -> Any:
        return function(floats(x))

    return apply


def binary(function: Function) -> Function:
    """Return a function of `x1` and `x2`."""

    def apply(x1: Any, x2: Any) -> Any:
        return function(array(x1), array(x2))

    return apply


def float_binary(function: Function) -> Function:
    """Return a function of `x1` and `x2`, computed in floating point."""

    def apply(x1: Any, x2: Any) -> Any:
        first, second = array(x1), array(x2)
        dtype = jax.dtypes.result_type(first.dtype, second.dtype, 1.0)  # as in Keras, no weak ones
        return function(first.astype(dtype), second.astype(dtype))

    return apply


def bitwise(function: Function) -> Function:
    """Return a function of `x` and `y`."""

    def apply(x: Any, y: Any) -> Any:
        return function(array(x), array(y))

    return apply


def dense_only(function: str, sparse: Any) -> None:
    """Check that no sparse array is asked for.

    Raises:
        InputError: one is.
    """
    if sparse:
        raise refused(function, "sparse=False", f"sparse={sparse!r}")


def refused(function: str, expected: str, received: str) -> InputError:
    """Return the error of an option that is not supported."""
    return InputError(
        explain(
            f"The operation {function} does not support an option.",
            expected=expected,
            received=received[:200],
            remedy="Change the option in the model that was stored.",
        )
    )
