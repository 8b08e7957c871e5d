"""The layer that runs any cell over a sequence."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import leaves_of, map_pairs, map_tree
from lamina.core.running.precision import compute_dtype
from lamina.core.tree.build_state import is_unbuilt
from lamina.core.tree.variable import Variable
from lamina.layer import Layer
from lamina.layers.bases.checks import check_rank
from lamina.layers.recurrent.base import RecurrentLayer
from lamina.layers.recurrent.cells import (
    as_list,
    check_cell,
    initial_states,
    run_cell,
    sizes_to_specs,
    state_specs,
)
from lamina.layers.recurrent.stacked_cells import StackedRNNCells, starts_from_zeros
from lamina.ops.arrays import float_dtype
from lamina.ops.recurrence import zero_state
from lamina.options import LayerOptions

__all__ = ["RNN"]


class RNN(RecurrentLayer):
    """Run a cell over a sequence: ``y_t, s_t = cell(x_t, s_{t-1})``.

    Lamina's cells, and stacks of them, process all steps at once, so that ``RNN(LSTMCell(8))`` is
    as fast as ``LSTM(8)``. Any other cell is called in a loop, with a random key for each step.

    Shapes: ``[batch, time, features...] -> [batch, ...]``, the shape of the cell's output, or
    ``[batch, time, ...]`` with ``return_sequences``.

    Args:
        cell: a layer with ``call(self, inputs, states)``, which takes the states as a list and
            returns ``(output, states)``, and with ``state_size``, a positive integer or a list
            of several. The initial state is that of its ``get_initial_state(batch_size)`` if it
            has that method, else zeros. A list of cells is stacked.
        return_sequences: return the outputs of all steps instead of the last one; False by
            default.
        return_state: return ``(output, *states)``; False by default.
        go_backwards: process the sequence from its last step, and return the outputs in that
            order; False by default.
        stateful: start each batch from the final state of the previous one, kept in the
            non-trainable variables ``states``, which are no weights; False by default. The first
            batch, and that after :meth:`reset_state`, start from the cell's initial state. The
            size of the batch must be known when the layer is built.
        unroll: compile the steps one after the other instead of a loop, which is faster for short
            sequences and compiles more slowly; False by default.
        zero_output_for_mask: output zeros at masked steps instead of the previous output; False
            by default.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        sequences: ``[batch, time, features...]``.
        initial_state: a list with an array for each state, or a bare array if there is only one;
            by default the cell's initial state.
        mask: bool ``[batch, time]``, False at padding: there the state does not change. None by
            default.
        training: passed to the cell; False by default.

    Returns:
        The output, or ``(output, *states)`` with ``return_state``.

    Raises:
        InputError: the cell has no ``call`` or no ``state_size``, or returns states of other
            shapes; an initial state or a mask does not fit, or the input has too few axes.
        BuildError: the layer is stateful, and the size of the batch is unknown.

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

    started: Variable | None = None

    def __init__(
        self,
        cell: Layer | list[Layer] | tuple[Layer, ...],
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **options: Unpack[LayerOptions],
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

    def build(self, input_shape: Any) -> None:
        own_start = not starts_from_zeros(self.cell)
        if own_start and is_unbuilt(self.cell):  # its initial state may be a weight
            batch, _, *features = input_shape
            self.cell.build((batch, *features), as_list(sizes_to_specs(self.cell, batch)))
        super().build(input_shape)
        kept = self.stateful and own_start
        self.started = self._state_variable((), "bool") if kept else None

    def _kept_specs(self, input_shape: Any) -> list[Any]:
        if starts_from_zeros(self.cell) or isinstance(self.cell, StackedRNNCells):
            return super()._kept_specs(input_shape)
        return as_list(sizes_to_specs(self.cell, input_shape[0]))

    def _kept_state(self) -> Any:
        kept = super()._kept_state()
        if self.started is None:
            return kept
        started = self.started.value
        initial = self.get_initial_state(leaves_of(kept)[0].shape[0])
        self.started.assign(True)
        return map_pairs(lambda old, new: jnp.where(started, old, new), kept, initial)

    def reset_state(self) -> None:
        """Sets the state of a stateful layer to the initial state of its cell."""
        super().reset_state()
        if self.started is not None:
            self.started.assign(False)
            variables = self._state_variables()
            initial = leaves_of(self.get_initial_state(variables[0].shape[0]))
            for variable, state in zip(variables, initial, strict=True):
                variable.assign(state)

    reset_states = reset_state

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """Returns the cell's initial states for a batch of that size, as a list."""
        return as_list(initial_states(self.cell, batch_size))

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

    def _scan(
        self,
        sequences: jax.Array,
        initial_state: Any,
        mask: jax.Array | None,
        training: bool,
        *,
        go_backwards: bool,
        unroll: bool,
    ) -> tuple[jax.Array, Any]:
        dtype_of_cell = jax.ShapeDtypeStruct((), compute_dtype(self.cell))

        def with_sharding(state: jax.Array) -> jax.Array:
            dtype = float_dtype(state, sequences, dtype_of_cell)
            return zero_state(sequences, state.shape, dtype) + state

        if initial_state is None:
            initial_state = self.get_initial_state(sequences.shape[0])
        if go_backwards:
            sequences, mask = sequences[:, ::-1], None if mask is None else mask[:, ::-1]
        start = map_tree(with_sharding, initial_state)
        return run_cell(self, self.cell, sequences, start, mask, unroll)

    def _last_output(self, outputs: jax.Array, states: Any) -> jax.Array:
        return self._last_step(outputs)
