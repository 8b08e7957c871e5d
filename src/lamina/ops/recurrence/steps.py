"""Reading and writing single steps of arrays ``[batch, time, ...]``."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.ops.arrays import alike

__all__ = [
    "add_to_step",
    "empty_steps",
    "step_of",
    "steps_of",
    "time_first",
    "valid_at",
    "value_before",
    "values_before",
    "where_valid",
    "with_step",
    "with_steps",
]

_LONGEST_CONSTANT = 1 << 20


def time_first(array: jax.Array) -> jax.Array:
    """Transposes ``[batch, time, ...]`` to ``[time, batch, ...]``, and back."""
    return lax.transpose(array, (1, 0, *range(2, array.ndim)))


def steps_of(array: jax.Array) -> jax.Array:
    """Returns the step indices of an array ``[batch, time, ...]``, as a constant if it is small."""
    time: Any = array.shape[1]
    small = isinstance(time, int) and time <= _LONGEST_CONSTANT
    return cast(Any, np.arange(time)) if small else jnp.arange(time)


def step_of(array: jax.Array, index: jax.Array) -> jax.Array:
    """Returns one step of an array ``[batch, time, ...]``."""
    at = lax.dynamic_slice_in_dim(array, index, 1, 1, allow_negative_indices=False)
    return lax.squeeze(at, (1,))


def with_step(array: jax.Array, step: jax.Array, index: jax.Array) -> jax.Array:
    """Returns an array ``[batch, time, ...]`` with one step replaced.

    The outputs that a scan stacks have time first. Transposing them is one more copy, and XLA on
    CPU takes longer to compile that transpose than several of the loops in a step.
    """
    step = lax.expand_dims(step, (1,))
    return lax.dynamic_update_slice_in_dim(array, step, index, 1, allow_negative_indices=False)


def with_steps(
    arrays: tuple[jax.Array, ...], steps: tuple[jax.Array, ...], index: jax.Array
) -> tuple[jax.Array, ...]:
    """Returns arrays ``[batch, time, ...]`` with one step of each replaced."""
    return tuple(with_step(*pair, index) for pair in zip(arrays, steps, strict=True))


def add_to_step(array: jax.Array, more: jax.Array, index: jax.Array) -> jax.Array:
    """Returns ``[batch, time, ...]`` with `more`, ``[batch, width]``, added to the first columns
    of one step."""
    start, more = (0, index, 0), lax.expand_dims(more, (1,))
    columns = lax.dynamic_slice(array, start, more.shape, allow_negative_indices=False)
    sums = lax.add(columns, more)
    return lax.dynamic_update_slice(array, sums, start, allow_negative_indices=False)


def value_before(
    start: jax.Array, after: jax.Array, index: jax.Array, reverse: bool = False
) -> jax.Array:
    """Returns the value before a step, from those after each step, ``[batch, time, ...]``."""
    first = after.shape[1] - 1 if reverse else 0
    earlier = step_of(after, index + 1 if reverse else index - 1)
    return lax.select(lax.broadcast_in_dim(index == first, start.shape, ()), start, earlier)


def values_before(start: jax.Array, after: jax.Array, reverse: bool = False) -> jax.Array:
    """Returns the values before each step, ``[batch, time, ...]``."""
    time, first = after.shape[1], lax.expand_dims(start, (1,))
    if reverse:
        return lax.concatenate([lax.slice_in_dim(after, 1, time, axis=1), first], 1)
    return lax.concatenate([first, lax.slice_in_dim(after, 0, time - 1, axis=1)], 1)


def empty_steps(like: jax.Array, time: int) -> jax.Array:
    """Returns zeros ``[batch, time, units]`` for an array ``[batch, units]`` of each step."""
    zeros = jnp.zeros((like.shape[0], time, like.shape[1]), like.dtype)
    return alike((zeros, like))[0]


def valid_at(mask: jax.Array | None, index: jax.Array) -> jax.Array | None:
    """Returns which rows are valid at a step, ``[batch]``, from a mask ``[batch, time]``."""
    return None if mask is None else step_of(mask, index)


def where_valid(valid: jax.Array, new: jax.Array, old: jax.Array) -> jax.Array:
    """Returns new values, ``[batch, ...]``, in rows that are valid, and old ones elsewhere."""
    return lax.select(lax.broadcast_in_dim(valid, new.shape, (0,)), new, old)
