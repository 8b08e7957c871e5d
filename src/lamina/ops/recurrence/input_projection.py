"""The projection of a sequence for all steps, and the initial state."""

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
"""A recurrence: of the projected input ``[batch, time, gates]``, the initial state and a mask
``[batch, time]``, the outputs of all steps and the final state."""


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
    """Projects the input for all steps at once, and runs a recurrence over it.

    Args:
        run: the recurrence, which handles ``go_backwards`` itself.
        sequence: ``[batch, time, features]``.
        kernel: ``[features, gates]``.
        bias: ``[gates]``, or None.
        units: size of the state.
        initial_state: arrays ``[batch, units]``, or None for zeros.
        mask: bool ``[batch, time]``; None by default.
        go_backwards: reverse the outputs into the order of processing; False by default.
        dropout: dropout factors of the input, ``[batch, features]``, for all steps; None by
            default.

    Returns:
        ``(outputs, state)``: ``[batch, time, units]``, and the final state.
    """
    if dropout is not None:
        sequence = scaled(sequence, lax.expand_dims(cast(dropout, sequence.dtype), (1,)))
    projected = dense(sequence, kernel, bias)
    valid = None if mask is None else cast(mask, bool)
    start = tuple(_initial_state(projected, units, state) for state in initial_state)
    outputs, state = run(projected, start, valid)
    return (lax.rev(outputs, (1,)) if go_backwards else outputs), state


def _initial_state(projected: jax.Array, units: int, state: Operand | None = None) -> jax.Array:
    """Returns the initial state ``[batch, units]``, zeros by default.

    It is computed from the projected input to have its sharding, which the carry of a scan must
    keep.
    """
    zeros = lax.reduce_sum(lax.full_like(projected[..., :units], 0), (1,))
    return zeros if state is None else zeros + cast(state, projected.dtype)
