"""The cross-entropy of logits that are too large to be kept: in blocks of rows."""

from __future__ import annotations

import math
from typing import Any, cast

import jax
import jax.numpy as jnp

from lamina import losses
from lamina.core.base.jax_internals import is_traced
from lamina.losses import Loss, SparseCategoricalCrossentropy
from lamina.losses.shapes import match_labels, spread
from lamina.narrowing import array_of
from lamina.ops.arrays import as_ids, as_rows, is_placed
from lamina.ops.dense import Product
from lamina.ops.linear_cross_entropy import linear_cross_entropy
from lamina.training.step.outputs import Output, element_weights
from lamina.training.step.working_memory import PIECE

__all__ = ["loss_in_blocks"]


def loss_in_blocks(loss: Loss, output: Output, product: Product) -> jax.Array | None:
    """Return the loss of one output, computed from the operands of the product that made it.

    The array of all logits is then not used, and XLA leaves it out of the program, unless a metric
    reads it.

    Args:
        loss: the loss.
        output: its values are the outputs of the product.
        product: a dense layer's.

    Returns:
        A scalar; None if the loss is not the cross-entropy of logits and integer labels, if the
        logits are small, or on an accelerator, where one large product is faster.
    """
    if not (_is_cross_entropy(loss) and _is_large(product.outputs) and not is_placed(product.x)):
        return None
    labels, logits = match_labels(array_of(output.labels), output.values, -1)
    kept = loss.mask(labels, logits)
    mask = kept if output.mask is None else element_weights(output, kept)

    def total(values: jax.Array) -> jax.Array:
        found = None if mask is None else spread(mask, values)
        return losses.reduce(values, output.weights, found, loss.reduction)

    # The reduction is linear, so that its gradient contains the factor of each value.
    factors: jax.Array = cast(Any, jax.grad)(total)(jnp.zeros(labels.shape))
    _, x, kernel, bias = product
    ids, rows = as_ids(labels).reshape(-1), as_rows(x)
    if kept is not None:  # ignored rows must not spoil gradients
        ids = jnp.where(kept.reshape(-1), ids, 0)
        rows = jnp.where(kept.reshape(-1, 1), rows, 0)
    return linear_cross_entropy(ids, factors.reshape(-1), rows, kernel, bias)


def _is_cross_entropy(loss: Any) -> bool:
    """Whether a loss is the cross-entropy of logits, in at least float32, as a sum over values."""
    return (
        type(loss) is SparseCategoricalCrossentropy
        and loss.from_logits
        and loss.axis == -1
        and loss.dtype is None
        and loss.reduction not in (None, "none")
    )


def _is_large(logits: Any) -> bool:
    """Whether logits, in float32, exceed what glibc reuses, in a program for one CPU.

    Float16 is left out: its gradients underflow unless the loss scale multiplies them first.
    """
    return (
        is_traced(logits)
        and all(isinstance(size, int) for size in logits.shape)  # a plan may not know sizes
        and 4 * math.prod(logits.shape) > PIECE
        and logits.dtype in (jnp.float32, jnp.bfloat16)
        and jax.default_backend() == "cpu"
        and jax.device_count() == 1
    )
