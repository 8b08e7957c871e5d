"""A recurrence with any step function, which is called in a loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import Operand, cast
from lamina.ops.recurrence.steps import step_of, steps_of, time_first, where_valid

__all__ = ["Step", "over_steps", "zero_state"]

Step = Callable[[jax.Array, Any, Any], tuple[jax.Array, Any]]
"""A step function: of an input ``[batch, ...]``, the state and a random key, the output and the
next state, in the same structure, shapes and dtypes."""


def over_steps(
    step: Step,
    sequence: jax.Array,
    start: Any,
    mask: Operand | None = None,
    keys: jax.Array | None = None,
    *,
    unroll: bool = False,
) -> tuple[jax.Array, Any]:
    """Runs a step function over time: ``y_t, s_t = step(x_t, s_{t-1}, key_t)``.

    Args:
        step: the step function; it may close over arrays.
        sequence: ``[batch, time, ...]``.
        start: the initial state, a tree of arrays ``[batch, ...]``.
        mask: bool ``[batch, time]``, False at padding, where the state does not change and the
            output repeats the previous one. Before the first valid step, the output is the
            state's first array if it has that shape, else zeros. None by default.
        keys: random keys of the steps, ``[time]``; None by default.
        unroll: compile the steps one after the other instead of a loop; False by default.

    Returns:
        ``(outputs, state)``: ``[batch, time, ...]``, and the final state.

    >>> total = lambda x, state, key: (x + state, x + state)
    >>> sequence, mask = jnp.arange(1.0, 5.0).reshape(1, 4), jnp.array([[True, False, True, True]])
    >>> over_steps(total, sequence, jnp.zeros(1), mask)[0].tolist()
    [[1.0, 1.0, 4.0, 8.0]]
    """
    valid = None if mask is None else cast(mask, bool)

    def masked_step(state: Any, inputs: Any) -> tuple[Any, jax.Array]:
        index, x, key = inputs
        output, after = step(x, state, key)
        if valid is not None:
            after = jax.tree.map(partial(where_valid, step_of(valid, index)), after, state)
        return after, output

    steps = steps_of(sequence), time_first(sequence), keys
    state, outputs = lax.scan(masked_step, start, steps, unroll=unroll)
    outputs = time_first(outputs)
    if valid is not None:
        outputs = _repeated(outputs, valid, jax.tree.leaves(start)[0])
    return outputs, state


def _repeated(outputs: jax.Array, valid: jax.Array, before: jax.Array) -> jax.Array:
    """Returns outputs ``[batch, time, ...]``, with the latest valid one at masked steps."""
    if before.shape != (outputs.shape[0], *outputs.shape[2:]):
        before = jnp.zeros_like(outputs[:, 0])
    candidates = jnp.concatenate([before.astype(outputs.dtype)[:, None], outputs], 1)
    steps = lax.broadcasted_iota(int, valid.shape, 1)
    latest = lax.cummax(jnp.where(valid, steps + 1, 0), axis=1)  # 0 is before the first
    latest = lax.expand_dims(latest, tuple(range(2, outputs.ndim)))
    return jnp.take_along_axis(candidates, latest, axis=1)


def zero_state(sequence: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Returns zeros ``[batch, ...]`` with the sharding of a sequence.

    The carry of a loop must keep its sharding, so the initial state is computed from the sequence.

    >>> zero_state(jnp.ones((2, 5, 3)), (2, 4), "float32").shape
    (2, 4)
    """
    of_batch = lax.reduce_sum(lax.full_like(sequence, 0, dtype), tuple(range(1, sequence.ndim)))
    return lax.broadcast_in_dim(of_batch, shape, (0,))
