"""Whole numbers out of their range: token ids and labels, told with the value and the range."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core.base.jax_internals import is_traced
from lamina.core.base.pytrees import leaves_of
from lamina.core.tree.node import Tracked
from lamina.losses import SparseCategoricalCrossentropy
from lamina.training.step.objective import Objective, unpack
from lamina.training.step.outputs import outputs_of

__all__ = ["of_ids", "of_labels", "outside"]


def outside(what: str, array: Any, count: int, ignored: int | None = None) -> str:
    """A clause on the first number that is not in ``[0, count)``; empty if all are.

    >>> outside("the label", np.array([[0, 7], [-1, 2]]), 3, ignored=-1)
    'the label 7, at [0, 1], is not in [0, 3)'
    """
    given = np.asarray(array)
    wrong = (given < 0) | (given >= count)
    if ignored is not None:
        wrong &= given != ignored
    if not wrong.any():
        return ""
    place = np.argwhere(wrong)[0].tolist()
    return f"{what} {given[tuple(place)]}, at {place}, is not in [0, {count})"


def of_ids(layer: Tracked, inputs: Any) -> str:
    """What is out of range in what a layer that looks up rows was given; empty if nothing is."""
    count = getattr(layer, "input_dim", None)
    for leaf in leaves_of(inputs):
        if isinstance(count, int) and _whole(leaf):
            found = outside("the id", leaf, count)
            if found:
                return f": {found}"
    return ""


def of_labels(objective: Objective, batch: Any, outputs: Any) -> str:
    """What is out of range in the labels of a loss that takes them as numbers of classes."""
    if objective.loss is None or outputs is None:
        return ""
    _, labels, weights = unpack(batch)
    for loss, output in objective.paired(outputs_of(outputs, labels, weights, objective.names)):
        if isinstance(loss, SparseCategoricalCrossentropy) and np.ndim(output.values):
            count = output.values.shape[loss.axis]
            found = outside("the label", output.labels, count, loss.ignore_class)
            if found:
                return f"{found} of {output.name}" if output.name else found
    return ""


def _whole(leaf: Any) -> bool:
    there = hasattr(leaf, "dtype") and not is_traced(leaf)
    return there and jnp.issubdtype(leaf.dtype, jnp.integer) and leaf.size > 0
