"""`tf.nn`: activations and cross-entropies."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lamina import losses
from lamina.compat.tf.missing import missing
from lamina.compat.tf.reductions import top_k
from lamina.compat.tf.shaping import gather
from lamina.compat.tf.tensors import Value, tensor

__all__ = [
    "elu",
    "embedding_lookup",
    "gelu",
    "l2_normalize",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "sigmoid_cross_entropy_with_logits",
    "silu",
    "softmax",
    "softmax_cross_entropy_with_logits",
    "softplus",
    "softsign",
    "sparse_softmax_cross_entropy_with_logits",
    "swish",
    "tanh",
    "top_k",
]


def tanh(x: Value, name: str | None = None) -> jax.Array:
    """``tanh(x)``."""
    return jnp.tanh(tensor(x))


def sigmoid(x: Value, name: str | None = None) -> jax.Array:
    """``1 / (1 + exp(-x))``."""
    return jax.nn.sigmoid(tensor(x))


def log_sigmoid(x: Value, name: str | None = None) -> jax.Array:
    """The logarithm of :func:`sigmoid`."""
    return jax.nn.log_sigmoid(tensor(x))


def softplus(features: Value, name: str | None = None) -> jax.Array:
    """``log(1 + exp(x))``."""
    return jax.nn.softplus(tensor(features))


def softsign(features: Value, name: str | None = None) -> jax.Array:
    """``x / (1 + |x|)``."""
    return jax.nn.soft_sign(tensor(features))


def relu(features: Value, name: str | None = None) -> jax.Array:
    """``max(x, 0)``."""
    return jax.nn.relu(tensor(features))


def relu6(features: Value, name: str | None = None) -> jax.Array:
    """``min(max(x, 0), 6)``."""
    return jax.nn.relu6(tensor(features))


def elu(features: Value, name: str | None = None) -> jax.Array:
    """``x`` if ``x > 0``, otherwise ``exp(x) - 1``."""
    return jax.nn.elu(tensor(features))


def selu(features: Value, name: str | None = None) -> jax.Array:
    """Scaled exponential linear unit, which preserves mean 0 and variance 1."""
    return jax.nn.selu(tensor(features))


def silu(features: Value, name: str | None = None) -> jax.Array:
    """``x sigmoid(x)``."""
    return jax.nn.silu(tensor(features))


swish = silu


def softmax(logits: Value, axis: int | None = None) -> jax.Array:
    """``exp(x) / sum(exp(x))`` along an axis, by default the last."""
    return jax.nn.softmax(tensor(logits), -1 if axis is None else axis)


def log_softmax(logits: Value, axis: int | None = None) -> jax.Array:
    """The logarithm of :func:`softmax`."""
    return jax.nn.log_softmax(tensor(logits), -1 if axis is None else axis)


def gelu(features: Value, approximate: bool = False) -> jax.Array:
    """``x P(X <= x)`` for a standard normal ``X``, exact or approximated with tanh."""
    return jax.nn.gelu(tensor(features), approximate)


def leaky_relu(features: Value, alpha: float = 0.2) -> jax.Array:
    """``x`` if ``x > 0``, otherwise ``alpha x``."""
    return jax.nn.leaky_relu(tensor(features), alpha)


def l2_normalize(x: Value, axis: Any = None, epsilon: float = 1e-12) -> jax.Array:
    """``x / sqrt(max(sum(x^2), epsilon))``."""
    array = tensor(x)
    squares = jnp.sum(jnp.square(array), axis=axis, keepdims=True)
    return array * jax.lax.rsqrt(jnp.maximum(squares, epsilon))


def embedding_lookup(params: Value, ids: Value) -> jax.Array:
    """Rows of an embedding table. An id out of range gives NaN."""
    return gather(params, ids, axis=0)


def softmax_cross_entropy_with_logits(labels: Value, logits: Value, axis: int = -1) -> jax.Array:
    """``-sum(y log softmax(x))`` along an axis."""
    return -jnp.sum(tensor(labels) * jax.nn.log_softmax(tensor(logits), axis), axis)


def sparse_softmax_cross_entropy_with_logits(labels: Value, logits: Value) -> jax.Array:
    """``-log softmax(x)[label]``. A label out of range gives NaN."""
    return losses.sparse_categorical_crossentropy(tensor(labels), tensor(logits), from_logits=True)


def sigmoid_cross_entropy_with_logits(labels: Value, logits: Value) -> jax.Array:
    """``-y log sigmoid(x) - (1 - y) log(1 - sigmoid(x))``, elementwise."""
    y, x = tensor(labels), tensor(logits)
    return jnp.maximum(x, 0) - x * y + jnp.log1p(jnp.exp(-jnp.abs(x)))


def __getattr__(name: str) -> Any:
    raise missing("tf.nn", name, __all__)
