"""Activations: plain functions on arrays, found by name. Names and arguments are Keras's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lamina.errors import InputError, explain
from lamina.names import look_up

__all__ = [
    "Activation",
    "ActivationLike",
    "celu",
    "describe",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
]

Activation: TypeAlias = Callable[[Any], jax.Array]
ActivationLike: TypeAlias = str | Activation | None


def linear(x: ArrayLike) -> jax.Array:
    """``x``."""
    return jnp.asarray(x)


def relu(
    x: ArrayLike,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> jax.Array:
    """``x`` above `threshold`, up to `max_value`; `negative_slope` ``(x - threshold)`` below.

    >>> relu(jnp.array([-2.0, 1.0, 9.0]), negative_slope=0.5, max_value=6.0).tolist()
    [-1.0, 1.0, 6.0]
    """
    x = jnp.asarray(x)
    if negative_slope == 0 and threshold == 0:
        y = jax.nn.relu(x)
    else:
        y = jnp.where(x > threshold, x, negative_slope * (x - threshold))
    return y if max_value is None else jnp.minimum(y, jnp.asarray(max_value, y.dtype))


def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> jax.Array:
    """``x`` above 0, `negative_slope` ``x`` below."""
    return jax.nn.leaky_relu(x, negative_slope)


def relu6(x: ArrayLike) -> jax.Array:
    """``min(max(x, 0), 6)``."""
    return jax.nn.relu6(x)


def elu(x: ArrayLike, alpha: float = 1.0) -> jax.Array:
    """``x`` above 0, `alpha` ``(exp(x) - 1)`` below (Clevert et al., 2016)."""
    return jax.nn.elu(x, alpha)


def selu(x: ArrayLike) -> jax.Array:
    """An elu scaled so that activations keep mean 0 and variance 1 (Klambauer et al., 2017)."""
    return jax.nn.selu(x)


def celu(x: ArrayLike, alpha: float = 1.0) -> jax.Array:
    """``x`` above 0, `alpha` ``(exp(x / alpha) - 1)`` below (Barron, 2017)."""
    return jax.nn.celu(x, alpha)


def gelu(x: ArrayLike, approximate: bool = False) -> jax.Array:
    """``x Phi(x)``; `approximate` takes a tanh for Phi (Hendrycks and Gimpel, 2016)."""
    return jax.nn.gelu(x, approximate=approximate)


def sigmoid(x: ArrayLike) -> jax.Array:
    """``1 / (1 + exp(-x))``."""
    return jax.nn.sigmoid(x)


def hard_sigmoid(x: ArrayLike) -> jax.Array:
    """``relu6(x + 3) / 6``."""
    return jax.nn.hard_sigmoid(x)


def tanh(x: ArrayLike) -> jax.Array:
    """``tanh(x)``."""
    return jnp.tanh(x)


def hard_tanh(x: ArrayLike) -> jax.Array:
    """``min(max(x, -1), 1)``."""
    return jax.nn.hard_tanh(x)


def tanh_shrink(x: ArrayLike) -> jax.Array:
    """``x - tanh(x)``."""
    x = jnp.asarray(x)
    return x - jnp.tanh(x)


def soft_shrink(x: ArrayLike, threshold: float = 0.5) -> jax.Array:
    """``x`` drawn towards 0 by `threshold`, 0 within it."""
    x = jnp.asarray(x)
    return jnp.sign(x) * jax.nn.relu(jnp.abs(x) - threshold)


def hard_shrink(x: ArrayLike, threshold: float = 0.5) -> jax.Array:
    """``x``, but 0 within `threshold` of 0."""
    x = jnp.asarray(x)
    return jnp.where(jnp.abs(x) > threshold, x, 0)


def softmax(x: ArrayLike, axis: int | tuple[int, ...] = -1) -> jax.Array:
    """``exp(x) / sum(exp(x))`` over `axis`.

    >>> softmax(jnp.zeros(4)).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    return jax.nn.softmax(x, axis)


def log_softmax(x: ArrayLike, axis: int | tuple[int, ...] = -1) -> jax.Array:
    """``x - log(sum(exp(x)))`` over `axis`."""
    return jax.nn.log_softmax(x, axis)


def softplus(x: ArrayLike) -> jax.Array:
    """``log(1 + exp(x))``."""
    return jax.nn.softplus(x)


def squareplus(x: ArrayLike, b: float = 4.0) -> jax.Array:
    """``(x + sqrt(x^2 + b)) / 2`` (Barron, 2021)."""
    return jax.nn.squareplus(x, b)


def softsign(x: ArrayLike) -> jax.Array:
    """``x / (1 + |x|)``."""
    return jax.nn.soft_sign(x)


def silu(x: ArrayLike) -> jax.Array:
    """``x sigmoid(x)`` (Elfwing et al., 2018), also called swish."""
    return jax.nn.silu(x)


def hard_silu(x: ArrayLike) -> jax.Array:
    """``x hard_sigmoid(x)`` (Howard et al., 2019), also called hard swish."""
    return jax.nn.hard_silu(x)


def mish(x: ArrayLike) -> jax.Array:
    """``x tanh(softplus(x))`` (Misra, 2020)."""
    return jax.nn.mish(x)


def exponential(x: ArrayLike) -> jax.Array:
    """``exp(x)``."""
    return jnp.exp(x)


def log_sigmoid(x: ArrayLike) -> jax.Array:
    """``-softplus(-x)``."""
    return jax.nn.log_sigmoid(x)


def glu(x: ArrayLike, axis: int = -1) -> jax.Array:
    """``a sigmoid(b)`` for the halves a and b of `axis` (Dauphin et al., 2017).

    >>> glu(jnp.array([2.0, 0.0])).tolist()
    [1.0]
    """
    return jax.nn.glu(x, axis)


swish = silu
hard_swish = hard_silu

_KNOWN: dict[str, Activation] = {
    function.__name__: function
    for function in (
        celu,
        elu,
        exponential,
        gelu,
        glu,
        hard_shrink,
        hard_sigmoid,
        hard_silu,
        hard_tanh,
        leaky_relu,
        linear,
        log_sigmoid,
        log_softmax,
        mish,
        relu,
        relu6,
        selu,
        sigmoid,
        silu,
        soft_shrink,
        softmax,
        softplus,
        softsign,
        squareplus,
        tanh,
        tanh_shrink,
    )
}
_ALIASES = {"hard_swish": "hard_silu", "re_lu": "relu", "swish": "silu"}


def get(identifier: ActivationLike) -> Activation:
    """The activation that a user means: a name, a function of one array, or None for none.

    Raises:
        UnknownNameError: no activation is called that.
        InputError: it is neither.

    >>> get("swish") is silu, get(None) is linear
    (True, True)
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        return look_up("activation", identifier, _KNOWN, _ALIASES)
    if callable(identifier):
        return identifier
    raise InputError(
        explain(
            "That is not an activation.",
            expected="a name, a function of one array, or None",
            received=repr(identifier),
            remedy="Give 'relu', for example, or jax.nn.relu.",
        )
    )


def describe(identifier: ActivationLike) -> str:
    """A short text for reports.

    >>> describe(None), describe("ReLU"), describe(functools.partial(elu, alpha=2.0))
    ('linear', 'relu', 'elu(alpha=2.0)')
    """
    found = get(identifier)
    if isinstance(found, functools.partial):
        bound = cast("functools.partial[jax.Array]", found)
        given = [repr(value) for value in bound.args]
        given += [f"{name}={value!r}" for name, value in bound.keywords.items()]
        return f"{describe(bound.func)}({', '.join(given)})"
    return getattr(found, "__name__", type(found).__name__)
