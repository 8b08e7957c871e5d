"""The activations themselves: plain functions on arrays. Names and arguments are Keras's."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

__all__ = [
    "celu",
    "elu",
    "exponential",
    "gelu",
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
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]


def linear(x: ArrayLike) -> jax.Array:
    """``x``."""
    return x if isinstance(x, jax.Array) else jnp.asarray(x)


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


def sparse_sigmoid(x: ArrayLike) -> jax.Array:
    """``min(max((x + 1) / 2, 0), 1)`` (Blondel et al., 2019)."""
    return jax.nn.sparse_sigmoid(x)


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


def threshold(x: ArrayLike, threshold: float, default_value: float) -> jax.Array:
    """``x`` above `threshold`, `default_value` elsewhere.

    >>> threshold(jnp.array([-2.0, 1.0]), 0.5, -1.0).tolist()
    [-1.0, 1.0]
    """
    x = jnp.asarray(x)
    return jnp.where(x > threshold, x, jnp.asarray(default_value, x.dtype))


def softmax(x: ArrayLike, axis: int | tuple[int, ...] = -1) -> jax.Array:
    """``exp(x) / sum(exp(x))`` over `axis`.

    >>> softmax(jnp.zeros(4)).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    return jax.nn.softmax(x, axis)


def log_softmax(x: ArrayLike, axis: int | tuple[int, ...] = -1) -> jax.Array:
    """``x - log(sum(exp(x)))`` over `axis`."""
    return jax.nn.log_softmax(x, axis)


def sparsemax(x: ArrayLike, axis: int = -1) -> jax.Array:
    """The probabilities nearest to ``x``: ``max(x - tau, 0)``, tau such that they sum to 1.

    Source: Martins, Astudillo, From softmax to sparsemax, arXiv 1602.02068, algorithm 1.

    >>> sparsemax(jnp.array([0.5, 0.0, -2.0])).tolist()
    [0.75, 0.25, 0.0]
    """
    x = jnp.asarray(x)
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))  # half types cannot count far
    falling = jnp.sort(wide, axis, descending=True)
    count = jax.lax.broadcasted_iota(wide.dtype, x.shape, axis % x.ndim) + 1
    kept = 1 + count * falling > jnp.cumsum(falling, axis)
    total = jnp.sum(falling, axis, where=kept, keepdims=True)
    tau = (total - 1) / jnp.sum(kept, axis, wide.dtype, keepdims=True)
    return jax.nn.relu(wide - tau).astype(x.dtype)


def softplus(x: ArrayLike) -> jax.Array:
    """``log(1 + exp(x))``."""
    return jax.nn.softplus(x)


def squareplus(x: ArrayLike, b: float = 4.0) -> jax.Array:
    """``(x + sqrt(x^2 + b)) / 2`` (Barron, 2021)."""
    return jax.nn.squareplus(x, b)


def sparse_plus(x: ArrayLike) -> jax.Array:
    """``(x + 1)^2 / 4`` between -1 and 1, 0 below, ``x`` above: what sparse_sigmoid slopes."""
    return jax.nn.sparse_plus(x)


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
