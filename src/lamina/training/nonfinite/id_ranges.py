"""Token ids and class labels that are out of range."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core.base.jax_internals import is_traced
from lamina.core.base.processes import to_host
from lamina.core.base.pytrees import leaves_of
from lamina.core.tree.node import Tracked
from lamina.losses import SparseCategoricalCrossentropy
from lamina.training.step.objective import Objective

__all__ = ["first_outside", "ids_outside", "labels_outside"]


def first_outside(what: str, array: Any, count: int, ignored: int | None = None) -> str:
    """Describe the first integer that is not in ``[0, count)``; empty if there is none.

    Args:
        what: the integer, in words.
        array: integers.
        count: the number of classes or ids.
        ignored: an integer that is allowed everywhere.

    >>> first_outside("the label", np.array([[0, 7], [-1, 2]]), 3, ignored=-1)
    'the label 7, at [0, 1], is not in [0, 3)'
    """
    values = to_host(array)
    wrong = (values < 0) | (values >= count)
    if ignored is not None:
        wrong &= values != ignored
    if not wrong.any():
        return ""
    index = np.argwhere(wrong)[0].tolist()
    return f"{what} {values[tuple(index)]}, at {index}, is not in [0, {count})"


def ids_outside(layer: Tracked, inputs: Any) -> str:
    """Describe the first id out of range in the inputs of an embedding; empty if there is none."""
    count = getattr(layer, "input_dim", None)
    for leaf in leaves_of(inputs):
        if isinstance(count, int) and _has_integers(leaf):
            found = first_outside("the id", leaf, count)
            if found:
                return found
    return ""


def labels_outside(objective: Objective, batch: Any, outputs: Any) -> str:
    """Describe the first class label out of range in a batch; empty if there is none."""
    for loss, output in objective.labelled_outputs(batch, outputs):
        if isinstance(loss, SparseCategoricalCrossentropy) and np.ndim(output.values):
            count = output.values.shape[loss.axis]
            found = first_outside("the label", output.labels, count, loss.ignore_class)
            if found:
                return f"{found} of {output.name}" if output.name else found
    return ""


def _has_integers(leaf: Any) -> bool:
    readable = hasattr(leaf, "dtype") and not is_traced(leaf)
    return readable and jnp.issubdtype(leaf.dtype, jnp.integer) and leaf.size > 0
