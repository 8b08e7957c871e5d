"""What the recurrences over a sequence share: its order of axes, its input product, its ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
from jax import lax

from lamina.ops.arrays import Operand, cast
from lamina.ops.dense import dense
from lamina.ops.dropout import scaled
from lamina.ops.recurrence.cell import State

__all__ = ["Run", "over_sequence"]

Run = Callable[[jax.Array, State, jax.Array | None], tuple[jax.Array, State]]
"""A recurrence over ``[batch, time, gates]``, from a state, where a mask ``[batch, time]`` holds;
it gives the outputs of all steps and the last state."""


def over_sequence(
    run: Run,
    sequence: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None,
    units: int,
    initial_state: Sequence[Operand | None],
    mask: Operand | None = None,
    *,
    go_backwards: bool = False,
    dropout: Operand | None = None,
) -> tuple[jax.Array, State]:
    """Project the input for all steps at once, and run over them.

    Args:
        run: the recurrence; it goes backwards by itself.
        sequence: ``[batch, time, features]``.
        kernel: ``[features, gates]``.
        bias: ``[gates]``.
        units: the size of the state.
        initial_state: arrays ``[batch, units]``; zeros where None.
        mask: bool, ``[batch, time]``.
        go_backwards: whether the outputs are to be turned round, into the order of processing.
        dropout: ``[batch, features]``, factors for the input at every step.

    Returns:
        ``(outputs, state)``: ``[batch, time, units]``, and the last state.
    """
    if dropout is not None:
        sequence = scaled(sequence, lax.expand_dims(cast(dropout, sequence.dtype), (1,)))
    projected = dense(sequence, kernel, bias)
    alive = None if mask is None else cast(mask, bool)
    start = tuple(_first_state(projected, units, given) for given in initial_state)
    outputs, state = run(projected, start, alive)
    return (lax.rev(outputs, (1,)) if go_backwards else outputs), state


def _first_state(projected: jax.Array, units: int, given: Operand | None = None) -> jax.Array:
    """The state before the first step, ``[batch, units]``: the one given, or zeros.

    It is made of the projected input, so that it has its sharding from the start: a scan's carry
    may not change it.
    """
    zeros = lax.reduce_sum(lax.full_like(projected[..., :units], 0), (1,))
    return zeros if given is None else zeros + cast(given, projected.dtype)
