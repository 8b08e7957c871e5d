"""Cross-entropy of the outputs of a dense layer, without the array of all logits."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.cross_entropy import losses_and_gradients, sparse_cross_entropy
from lamina.ops.dense import dense

__all__ = ["linear_cross_entropy"]

BLOCK = 2**24  # bytes of logits at a time: half of what glibc reuses between runs
LEAST_ROWS = 128  # fewer make slow products


def linear_cross_entropy(
    labels: jax.Array,
    weights: jax.Array,
    x: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    kept: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Compute the weighted sum of the cross-entropies of logits ``z = x kernel + bias``.

    ``sum_i w_i (log(sum_c exp(z_ic)) - z_i,label)``, and ``label = argmax_c z_ic`` for each row.

    The logits are computed for a block of rows at a time, and so are their gradients, in the same
    loop, so that no product is computed twice.

    Args:
        labels: ``[rows]``, int32 class labels in [0, classes); others give NaN.
        weights: ``[rows]``, w, float32.
        x: ``[rows, features]``.
        kernel: ``[features, classes]``.
        bias: ``[classes]``; None (default) for no bias.
        kept: ``[rows]``, bool, whether the row counts: if not, its logits are replaced by 0, its
            features must be finite and its weight 0. None (default) for all rows.

    Returns:
        The sum, a float32 scalar, which can be differentiated once, in reverse mode; and
        ``[rows]``, bool, whether the label is the first class with the largest logit.

    >>> x, kernel = jnp.ones((3, 2)), jnp.zeros((2, 4))
    >>> print(*linear_cross_entropy(jnp.arange(3), jnp.ones(3) / 3, x, kernel))
    1.3862944 [ True False False]
    """
    if kept is None:
        kept = jnp.ones(len(x), bool)
    return cast(Any, _weighted_sum)(labels, kept, weights, x, kernel, bias)


@jax.custom_vjp
def _weighted_sum(labels: Any, kept: Any, weights: Any, x: Any, kernel: Any, bias: Any) -> Any:
    def of_block(total: jax.Array, block: Any) -> tuple[jax.Array, jax.Array]:
        labels, kept, weights, x = block
        logits = _logits(kept, x, kernel, bias)
        losses = sparse_cross_entropy(labels, logits)
        return total + jnp.vdot(weights, losses), _are_largest(labels, logits)

    total, hits = lax.scan(of_block, jnp.zeros(()), _blocks(kernel, labels, kept, weights, x))
    return total, hits.reshape(-1)[: len(x)]


def _forward(
    labels: Any, kept: Any, weights: Any, x: Any, kernel: Any, bias: Any
) -> tuple[Any, Any]:
    wide = jnp.promote_types(x.dtype, jnp.float32)  # sums over blocks in 16 bits lose increments

    def of_block(carry: Any, block: Any) -> tuple[Any, Any]:
        total, of_kernel, of_bias = carry
        labels, kept, weights, x = block
        logits = _logits(kept, x, kernel, bias)
        losses, gradient = losses_and_gradients(labels, logits)
        gradient *= weights[:, None]
        of_bias = None if bias is None else of_bias + gradient.sum(0)
        gradient = gradient.astype(x.dtype)
        of_x = lax.dot_general(gradient, kernel, (((1,), (1,)), ((), ())))
        more = lax.dot_general(x, gradient, (((0,), (0,)), ((), ())), preferred_element_type=wide)
        total += jnp.vdot(weights, losses)
        return (total, of_kernel + more, of_bias), (losses, of_x, _are_largest(labels, logits))

    zero_bias = None if bias is None else jnp.zeros_like(bias, wide)
    first = jnp.zeros(()), jnp.zeros_like(kernel, wide), zero_bias
    (total, of_kernel, of_bias), (losses, of_x, hits) = lax.scan(
        of_block, first, _blocks(kernel, labels, kept, weights, x)
    )
    rows = len(x)
    of_x = of_x.reshape(-1, x.shape[1])[:rows]
    saved = losses.reshape(-1)[:rows], of_x, of_kernel, of_bias
    return (total, hits.reshape(-1)[:rows]), saved


def _backward(saved: Any, cotangents: tuple[jax.Array, Any]) -> tuple[Any, ...]:
    scale, _ = cotangents

    losses, *gradients = saved

    def scaled(gradient: jax.Array) -> jax.Array:
        return (gradient * scale).astype(gradients[0].dtype)  # that of x, kernel and bias

    return None, None, losses * scale, *jax.tree.map(scaled, gradients)


_weighted_sum.defvjp(_forward, _backward)


def _logits(kept: jax.Array, x: jax.Array, kernel: jax.Array, bias: Any) -> jax.Array:
    logits = dense(x, kernel, bias)
    return jnp.where(kept[:, None], logits, jnp.zeros((), logits.dtype))


def _are_largest(labels: jax.Array, logits: jax.Array) -> jax.Array:
    """Compare labels and ``argmax_c z_c``, as a minimum of classes: XLA does not vectorize argmax.

    A row with NaN has no largest logit.
    """
    classes = lax.broadcasted_iota(labels.dtype, logits.shape, 1)
    largest = logits.max(-1, keepdims=True)
    return jnp.where(logits == largest, classes, logits.shape[1]).min(-1) == labels


def _blocks(kernel: jax.Array, *arrays: jax.Array) -> tuple[jax.Array, ...]:
    """Divide rows into equal blocks ``[blocks, rows, ...]``; zeros and False fill the last one."""
    rows = len(arrays[0])
    most = max(BLOCK // (4 * kernel.shape[1]), LEAST_ROWS)
    count = max(1, -(-rows // most))
    size = -(-rows // count)

    def divided(array: jax.Array) -> jax.Array:
        padding = [(0, count * size - rows)] + [(0, 0)] * (array.ndim - 1)
        return jnp.pad(array, padding).reshape(count, size, *array.shape[1:])

    return tuple(map(divided, arrays))
