"""Elementwise functions and comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax.scipy import special

from lamina.compat.tf.tensors import Value, tensor

__all__ = [
    "Binary",
    "Unary",
    "abs_",
    "acos",
    "add",
    "asin",
    "atan",
    "atan2",
    "binary",
    "ceil",
    "clip_by_value",
    "cos",
    "cosh",
    "divide",
    "divide_no_nan",
    "equal",
    "erf",
    "exp",
    "expm1",
    "floor",
    "floordiv",
    "greater",
    "greater_equal",
    "is_finite",
    "is_inf",
    "is_nan",
    "less",
    "less_equal",
    "lgamma",
    "log",
    "log1p",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "multiply_no_nan",
    "negative",
    "not_equal",
    "pow_",
    "reciprocal",
    "round_",
    "rsqrt",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "squared_difference",
    "subtract",
    "tan",
    "unary",
]


class Unary(Protocol):
    """An elementwise function of one array."""

    def __call__(self, x: Value, name: str | None = None) -> jax.Array: ...


class Binary(Protocol):
    """An elementwise function of two arrays."""

    def __call__(self, x: Value, y: Value, name: str | None = None) -> jax.Array: ...


def unary(function: Callable[[Any], jax.Array]) -> Unary:
    """A JAX function with the signature of TensorFlow; `name` is ignored."""

    def apply(x: Value, name: str | None = None) -> jax.Array:
        return function(tensor(x))

    return apply


def binary(function: Callable[[Any, Any], jax.Array]) -> Binary:
    """The same for two arrays. Python numbers take the dtype of the other array."""

    def apply(x: Value, y: Value, name: str | None = None) -> jax.Array:
        return function(*_pair(x, y))

    return apply


def _pair(x: Value, y: Value) -> tuple[Any, Any]:
    if isinstance(x, int | float | complex):
        return x, tensor(y)
    return tensor(x), y if isinstance(y, int | float | complex) else tensor(y)


abs_ = unary(jnp.abs)
acos = unary(jnp.arccos)
asin = unary(jnp.arcsin)
atan = unary(jnp.arctan)
ceil = unary(jnp.ceil)
cos = unary(jnp.cos)
cosh = unary(jnp.cosh)
erf = unary(special.erf)
exp = unary(jnp.exp)
expm1 = unary(jnp.expm1)
floor = unary(jnp.floor)
is_finite = unary(jnp.isfinite)
is_inf = unary(jnp.isinf)
is_nan = unary(jnp.isnan)
lgamma = unary(special.gammaln)
log = unary(jnp.log)
log1p = unary(jnp.log1p)
logical_not = unary(jnp.logical_not)
negative = unary(jnp.negative)
reciprocal = unary(jnp.reciprocal)
round_ = unary(jnp.round)
rsqrt = unary(jax.lax.rsqrt)
sign = unary(jnp.sign)
sin = unary(jnp.sin)
sinh = unary(jnp.sinh)
sqrt = unary(jnp.sqrt)
square = unary(jnp.square)
tan = unary(jnp.tan)

add = binary(jnp.add)
atan2 = binary(jnp.arctan2)
divide = binary(jnp.true_divide)
equal = binary(jnp.equal)
floordiv = binary(jnp.floor_divide)
greater = binary(jnp.greater)
greater_equal = binary(jnp.greater_equal)
less = binary(jnp.less)
less_equal = binary(jnp.less_equal)
logical_and = binary(jnp.logical_and)
logical_or = binary(jnp.logical_or)
logical_xor = binary(jnp.logical_xor)
maximum = binary(jnp.maximum)
minimum = binary(jnp.minimum)
mod = binary(jnp.mod)
multiply = binary(jnp.multiply)
not_equal = binary(jnp.not_equal)
pow_ = binary(jnp.power)
squared_difference = binary(lambda x, y: jnp.square(x - y))
subtract = binary(jnp.subtract)
divide_no_nan = binary(lambda x, y: jnp.where(y == 0, 0, x / jnp.where(y == 0, 1, y)))
multiply_no_nan = binary(lambda x, y: jnp.where(y == 0, 0, x * y))


def clip_by_value(t: Value, clip_value_min: Value, clip_value_max: Value) -> jax.Array:
    """Clip the elements to [clip_value_min, clip_value_max]."""
    return minimum(maximum(t, clip_value_min), clip_value_max)
