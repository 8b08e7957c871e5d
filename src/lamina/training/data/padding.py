"""Filling up the last batch, so that one program serves all batches, where that changes nothing.

Rows that do not count must not show: a layer that looks across the batch, as BatchNormalization
does, would see them. So the last batch is judged with two kinds of rows filled in; only if the
results agree to the bit is it filled up from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.pytrees import leaves_of
from lamina.errors import LaminaError

__all__ = ["Findings", "filled", "kept", "same"]


class Findings:
    """What was found of one program: whether it can be filled up, in training and in judging.

    Args:
        possible: False if it is not even to be tried.
    """

    def __init__(self, possible: bool) -> None:
        self.training: bool | None = None if possible else False
        self.judging: bool | None = None if possible else False


def filled(rows: np.ndarray, size: int) -> tuple[jax.Array, jax.Array]:
    """Row numbers [steps, size], the last ones filled up: with the last row, and with the first.

    >>> [order.tolist() for order in filled(np.arange(3), 2)]
    [[[0, 1], [2, 2]], [[0, 1], [2, 0]]]
    """
    lacking = -len(rows) % size
    both = [np.concatenate([rows, np.repeat(rows[at], lacking)]) for at in (-1, 0)]
    one, other = (jnp.asarray(order.reshape(-1, size), jnp.int32) for order in both)
    return one, other


def kept(order: Any, index: Any, count: Any) -> Any:
    """Which rows of a batch are among the first `count` of all."""
    size = order.shape[1]
    return index * size + jnp.arange(size) < count


def same(judge: Callable[[Any], Any], orders: tuple[jax.Array, jax.Array]) -> bool:
    """Whether what `judge` gives for both orders agrees to the bit; False if it cannot be found."""
    try:
        one, other = ([np.asarray(leaf) for leaf in leaves_of(judge(o))] for o in orders)
    except LaminaError:  # told again, if it was not for the filling up
        return False
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
