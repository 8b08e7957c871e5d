"""The cross-entropy of logits that are too large to be kept: in blocks of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp

from lamina import losses
from lamina.core.base.jax_internals import is_traced
from lamina.losses import Loss, SparseCategoricalCrossentropy
from lamina.losses.shapes import match_labels, spread
from lamina.metrics import Metric, SparseCategoricalAccuracy
from lamina.metrics.accuracies import AutoAccuracy
from lamina.narrowing import array_of
from lamina.ops.arrays import as_ids, as_rows, is_placed
from lamina.ops.dense import Product
from lamina.ops.linear_cross_entropy import linear_cross_entropy
from lamina.training.step.outputs import Output, check_count, element_weights
from lamina.training.step.working_memory import PIECE

__all__ = ["loss_in_blocks"]


def loss_in_blocks(
    loss: Loss, output: Output, product: Product, metrics: Sequence[Metric] = ()
) -> tuple[jax.Array, Output] | None:
    """Return the loss of one output, computed from the operands of the product that made it.

    The array of all logits is then not used, and XLA leaves it out of the program.

    Args:
        loss: the loss.
        output: its values are the outputs of the product.
        product: a dense layer's.
        metrics: the metrics of the output.

    Returns:
        A scalar, and an output in place of this one for its metrics. None if the loss is not the
        cross-entropy of logits and integer labels, if a metric reads more than the largest logit,
        if the logits are small, or on an accelerator, where one large product is faster.
    """
    _, x, kernel, bias = product
    if not (_is_cross_entropy(loss) and _is_large(product.outputs) and x.ndim > 1):
        return None
    if any(is_placed(operand) for operand in (x, kernel, bias) if operand is not None):
        return None
    if not all(_is_accuracy(metric, loss, output) for metric in metrics):
        return None
    check_count(output)
    labels, logits = match_labels(array_of(output.labels), output.values, -1)
    kept = loss.mask(labels, logits)
    mask = kept if output.mask is None else element_weights(output, kept)

    def total(values: jax.Array) -> jax.Array:
        found = None if mask is None else spread(mask, values)
        return losses.reduce(values, output.weights, found, loss.reduction)

    # The reduction is linear, so that its gradient contains the factor of each value.
    factors: jax.Array = cast(Any, jax.grad)(total)(jnp.zeros(labels.shape))
    ids, rows = as_ids(labels), as_rows(x)
    exact = ids == labels  # a label of 0.5 counts as class 0 in the loss, and is never predicted
    if kept is not None:  # ignored rows must not spoil losses or gradients
        ids, exact, kept = jnp.where(kept, ids, 0), exact & kept, kept.reshape(-1)
        rows = jnp.where(kept[:, None], rows, 0)
    value, hits = linear_cross_entropy(
        ids.reshape(-1), factors.reshape(-1), rows, kernel, bias, kept
    )
    return value, _of_two_classes(output, hits.reshape(labels.shape) & exact)


def _of_two_classes(output: Output, hits: jax.Array) -> Output:
    """Return an output of the same accuracy, whose predictions have two classes.

    The first is always predicted, and is right where the largest logit is that of the label.
    """
    first = jnp.broadcast_to(jnp.array([1.0, 0.0]), (*hits.shape, 2))
    return output._replace(labels=jnp.where(hits, 0, 1), values=first)


def _is_accuracy(metric: Metric, loss: Any, output: Output) -> bool:
    """Whether a metric asks only if the largest logit is that of the label, for all labels."""
    labels, logits = jnp.shape(output.labels), jnp.shape(output.values)
    is_sparse = len(labels) < len(logits) or labels[-1] == 1  # as `AutoAccuracy` selects
    of_class = type(metric) is SparseCategoricalAccuracy or (
        type(metric) is AutoAccuracy and is_sparse and logits[-1] > 1
    )
    ignored = loss.ignore_class
    return of_class and (ignored is None or not 0 <= ignored < logits[-1])


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
