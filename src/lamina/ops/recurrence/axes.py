"""Where a step stands in the arrays of all steps: batch first, then time."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.ops.arrays import alike

__all__ = [
    "added_at",
    "alive_at",
    "all_with_step",
    "before",
    "before_all",
    "no_steps",
    "step_of",
    "steps_of",
    "time_first",
    "where_alive",
    "with_step",
]

_LONGEST = 1 << 20


def time_first(array: jax.Array) -> jax.Array:
    """``[batch, time, ...]`` as ``[time, batch, ...]``, and back."""
    return lax.transpose(array, (1, 0, *range(2, array.ndim)))


def steps_of(array: jax.Array) -> jax.Array:
    """The numbers of the steps of an array ``[batch, time, ...]``: a constant, if known and not
    too many to be one."""
    time: Any = array.shape[1]
    small = isinstance(time, int) and time <= _LONGEST
    return cast(Any, np.arange(time)) if small else jnp.arange(time)


def step_of(array: jax.Array, index: jax.Array) -> jax.Array:
    """What a step has of an array ``[batch, time, ...]``."""
    at = lax.dynamic_slice_in_dim(array, index, 1, 1, allow_negative_indices=False)
    return lax.squeeze(at, (1,))


def with_step(array: jax.Array, step: jax.Array, index: jax.Array) -> jax.Array:
    """An array ``[batch, time, ...]`` with what a step has made in its place.

    Steps that a scan stacks up stand time first; to turn them is one more copy, and XLA on CPU
    compiles the transpose of an array for longer than several of a step's loops.
    """
    step = lax.expand_dims(step, (1,))
    return lax.dynamic_update_slice_in_dim(array, step, index, 1, allow_negative_indices=False)


def all_with_step(
    arrays: tuple[jax.Array, ...], steps: tuple[jax.Array, ...], index: jax.Array
) -> tuple[jax.Array, ...]:
    """Arrays ``[batch, time, ...]`` with what a step has made for each."""
    return tuple(with_step(*pair, index) for pair in zip(arrays, steps, strict=True))


def added_at(array: jax.Array, more: jax.Array, index: jax.Array) -> jax.Array:
    """An array ``[batch, time, ...]`` with `more`, ``[batch, width]``, added to the first numbers
    that it has of a step."""
    at, more = (0, index, 0), lax.expand_dims(more, (1,))
    there = lax.dynamic_slice(array, at, more.shape, allow_negative_indices=False)
    sums = lax.add(there, more)
    return lax.dynamic_update_slice(array, sums, at, allow_negative_indices=False)


def before(
    start: jax.Array, after: jax.Array, index: jax.Array, reverse: bool = False
) -> jax.Array:
    """What was there before a step, of what was there after each, ``[batch, time, ...]``."""
    first = after.shape[1] - 1 if reverse else 0
    earlier = step_of(after, index + 1 if reverse else index - 1)
    return lax.select(lax.broadcast_in_dim(index == first, start.shape, ()), start, earlier)


def before_all(start: jax.Array, after: jax.Array, reverse: bool = False) -> jax.Array:
    """What was there before each step, ``[batch, time, ...]``."""
    time, first = after.shape[1], lax.expand_dims(start, (1,))
    if reverse:
        return lax.concatenate([lax.slice_in_dim(after, 1, time, axis=1), first], 1)
    return lax.concatenate([first, lax.slice_in_dim(after, 0, time - 1, axis=1)], 1)


def no_steps(like: jax.Array, time: int) -> jax.Array:
    """Room for what steps make: zeros ``[batch, time, units]``, of ``[batch, units]``."""
    zeros = jnp.zeros((like.shape[0], time, like.shape[1]), like.dtype)
    return alike((zeros, like))[0]


def alive_at(mask: jax.Array | None, index: jax.Array) -> jax.Array | None:
    """Where a step's input counts, ``[batch]``, of a mask ``[batch, time]``."""
    return None if mask is None else step_of(mask, index)


def where_alive(alive: jax.Array, new: jax.Array, old: jax.Array) -> jax.Array:
    """What is new, ``[batch, ...]``, where a mask ``[batch]`` holds, and elsewhere what is old."""
    return lax.select(lax.broadcast_in_dim(alive, new.shape, (0,)), new, old)
