"""A recurrence over time of any cell."""

from __future__ import annotations

from typing import Any

import jax

from lamina.core.base.pytrees import map_tree
from lamina.core.running.precision import compute_dtype
from lamina.layer import Layer
from lamina.layers.bases.checks import check_rank
from lamina.layers.recurrent.base import Recurrence
from lamina.layers.recurrent.cells import (
    as_list,
    check_cell,
    first_states,
    run_cell,
    state_specs,
)
from lamina.layers.recurrent.stacked_cells import StackedRNNCells
from lamina.ops.arrays import float_dtype
from lamina.ops.recurrence import zero_state

__all__ = ["RNN"]


class RNN(Recurrence):
    """Run a cell over a sequence: ``y_t, s_t = cell(x_t, s_{t-1})``.

    Lamina's own cells run over all steps at once, as their layers do: ``RNN(LSTMCell(8))`` is as
    fast as ``LSTM(8)``. So do stacks of them. Any other cell is called in a loop; where it draws
    random numbers, each step has a key of its own.

    Shapes: ``[batch, time, features...] -> [batch, ...]``, the cell's output, or ``[batch, time,
    ...]`` with ``return_sequences``.

    Args:
        cell: a layer with ``call(self, inputs, states)``, which gives an output and the next
            states, and ``state_size``, a size or a list of several; states come as a list.
            With ``get_initial_state(batch_size)`` it says where it starts, else from zeros. A
            list of cells is stacked.
        return_sequences: whether to give the output of every step rather than of the last.
        return_state: whether to give the last states, too: ``(output, *states)``.
        go_backwards: whether to start at the last step; outputs stand in the order of processing.
        stateful: whether a batch starts from the state in which the one before it ended, kept in
            ``states``, variables that do not train and start from zeros; the size of the batch is
            then part of the build, and :meth:`reset_state` goes back to zeros.
        unroll: whether to write all steps into the program one after the other, rather than a
            loop: faster for short sequences, and slower to compile.
        zero_output_for_mask: whether outputs where the mask is False are zeros, rather than those
            of the step before.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``initial_state``, an array for each of the states, in a list where there are
    several, and ``mask``, bool, ``[batch, time]``: where False the state stays.

    Raises:
        InputError: the cell is not one, or gives back other states than it got; an initial state
            or a mask does not fit, or the input has too few axes.
        BuildError: it is stateful, and the size of the batch is not known.

    >>> import jax.numpy as jnp
    >>> from lamina import Layer
    >>> class Sum(Layer):
    ...     state_size = 3
    ...     def call(self, inputs, states):
    ...         total = states[0] + inputs
    ...         return total, [total]
    >>> RNN(Sum(), return_sequences=True)(jnp.ones((1, 2, 3))).tolist()
    [[[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]]
    """

    def __init__(
        self,
        cell: Layer | list[Layer] | tuple[Layer, ...],
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            zero_output_for_mask=zero_output_for_mask,
            **options,
        )
        stacked = isinstance(cell, list | tuple)
        self.cell: Any = check_cell(self, StackedRNNCells(cell) if stacked else cell)

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states from which the cell starts."""
        return as_list(first_states(self.cell, batch_size))

    @property
    def _state_count(self) -> int:
        return len(as_list(self.cell.state_size))

    @property
    def _state_axes(self) -> str:
        return "batch, state"

    def _check_input(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "batch, time, features...")

    def _state_specs(self, input_shape: Any) -> list[Any]:
        return as_list(state_specs(self.cell, input_shape[0]))

    def _run(
        self, sequences: jax.Array, start: Any, mask: jax.Array | None, training: bool
    ) -> tuple[jax.Array, Any]:
        kind = jax.ShapeDtypeStruct((), compute_dtype(self.cell))

        def placed(state: jax.Array) -> jax.Array:
            dtype = float_dtype(state, sequences, kind)
            return zero_state(sequences, state.shape, dtype) + state

        if start is None:
            start = self.get_initial_state(sequences.shape[0])
        if self.go_backwards:
            sequences, mask = sequences[:, ::-1], None if mask is None else mask[:, ::-1]
        return run_cell(self, self.cell, sequences, map_tree(placed, start), mask, self.unroll)

    def _last(self, outputs: jax.Array, states: Any) -> jax.Array:
        return self._at_end(outputs)
