"""A recurrence of any steps, one after the other, for cells that know no better way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import Operand, cast
from lamina.ops.recurrence.axes import step_of, steps_of, time_first, where_alive

__all__ = ["Step", "over_steps", "zero_state"]

Step = Callable[[jax.Array, Any, Any], tuple[jax.Array, Any]]
"""Of one input ``[batch, ...]``, the state before and a random key, it makes an output and the
state after, in the structure, shapes and dtypes of the state before."""


def over_steps(
    step: Step,
    sequence: jax.Array,
    start: Any,
    mask: Operand | None = None,
    keys: jax.Array | None = None,
    *,
    unroll: bool = False,
) -> tuple[jax.Array, Any]:
    """Run a step over time: ``y_t, s_t = step(x_t, s_{t-1}, key_t)``.

    Args:
        step: what a step does; it may close over arrays.
        sequence: ``[batch, time, ...]``.
        start: the state before the first step, a tree of arrays ``[batch, ...]``.
        mask: bool, ``[batch, time]``: where False the state stays, and the output is that of the
            step before; before all of them, the state's first array, or zeros if that has
            another shape.
        keys: ``[time]``, a random key for each step.
        unroll: write all steps into the program one after the other, rather than a loop.

    Returns:
        ``(outputs, state)``: ``[batch, time, ...]``, and the last state.

    >>> total = lambda x, state, key: (x + state, x + state)
    >>> sequence, mask = jnp.arange(1.0, 5.0).reshape(1, 4), jnp.array([[True, False, True, True]])
    >>> over_steps(total, sequence, jnp.zeros(1), mask)[0].tolist()
    [[1.0, 1.0, 4.0, 8.0]]
    """

    alive = None if mask is None else cast(mask, bool)

    def one(state: Any, at: Any) -> tuple[Any, jax.Array]:
        index, x, key = at
        output, after = step(x, state, key)
        if alive is not None:
            after = jax.tree.map(partial(where_alive, step_of(alive, index)), after, state)
        return after, output

    every_step = steps_of(sequence), time_first(sequence), keys
    state, outputs = lax.scan(one, start, every_step, unroll=unroll)
    outputs = time_first(outputs)
    if alive is not None:
        outputs = _held(outputs, alive, jax.tree.leaves(start)[0])
    return outputs, state


def _held(outputs: jax.Array, alive: jax.Array, before: jax.Array) -> jax.Array:
    """Outputs ``[batch, time, ...]``; where nothing is alive, the latest that was."""
    if before.shape != (outputs.shape[0], *outputs.shape[2:]):
        before = jnp.zeros_like(outputs[:, 0])
    every = jnp.concatenate([before.astype(outputs.dtype)[:, None], outputs], 1)
    steps = lax.broadcasted_iota(int, alive.shape, 1)
    latest = lax.cummax(jnp.where(alive, steps + 1, 0), axis=1)  # 0 is before the first
    latest = lax.expand_dims(latest, tuple(range(2, outputs.ndim)))
    return jnp.take_along_axis(every, latest, axis=1)


def zero_state(sequence: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Zeros ``[batch, ...]``, made of a sequence so that they lie on the same devices: a loop's
    carry may not change where it lies.

    >>> zero_state(jnp.ones((2, 5, 3)), (2, 4), "float32").shape
    (2, 4)
    """
    of_batch = lax.reduce_sum(lax.full_like(sequence, 0, dtype), tuple(range(1, sequence.ndim)))
    return lax.broadcast_in_dim(of_batch, shape, (0,))
