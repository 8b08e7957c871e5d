"""A stack of cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import jax

from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.recurrent.cells import as_list, check_cell, initial_states, run_cell
from lamina.layers.recurrent.units import RecurrentCell
from lamina.options import LayerOptions

__all__ = ["StackedRNNCells", "starts_from_zeros"]


class StackedRNNCells(Layer):
    """Several cells as one: each takes the output of the one below it, and has its own state.

    Shapes: inputs ``[batch, features]`` and a list with the states of each cell -> the last cell's
    output, and a list with the next states of each cell.

    Args:
        cells: the cells in order, the first one next to the input; at least one.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        inputs: ``[batch, features]``, one step.
        states: a list with an entry for each cell: its state, or a list of several.
        over_time: inputs are ``[batch, time, features]``, and all steps are computed; False by
            default.
        mask: bool ``[batch, time]``, False at padding, for ``over_time``; None by default.
        unroll: compile the steps without a loop, for ``over_time``; False by default.

    Returns:
        ``(output, states)``: the states in the structure in which they were passed.

    Raises:
        InputError: the list of cells is empty, or one is not a layer with `call` and `state_size`.

    >>> import jax.numpy as jnp
    >>> from lamina.layers import RNN, GRUCell, LSTMCell
    >>> layer = RNN(StackedRNNCells([LSTMCell(4), GRUCell(5)]), return_state=True)
    >>> output, (h, c), (state,) = layer(jnp.ones((2, 7, 3)))
    >>> output.shape, h.shape, c.shape, state.shape
    ((2, 5), (2, 4), (2, 4), (2, 5))
    """

    def __init__(self, cells: Sequence[Layer], **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.cells = [check_cell(self, cell) for cell in cells]
        if not self.cells:
            raise InputError(
                explain(
                    "StackedRNNCells got no cells.",
                    where=f"made at {self._lamina.made_at}",
                    expected="a list of at least one cell",
                    received="an empty list",
                    remedy="Pass cells, such as [LSTMCell(8), LSTMCell(8)].",
                )
            )

    @property
    def state_size(self) -> list[Any]:
        """A list with the size of each cell's state."""
        return [cell.state_size for cell in self._sized]

    @property
    def output_size(self) -> Any:
        """The size of the last cell's output."""
        last = self._sized[-1]
        return getattr(last, "output_size", None) or as_list(last.state_size)[0]

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """Returns a list with the initial state of each cell, for a batch of that size."""
        return [initial_states(cell, batch_size) for cell in self.cells]

    def call(
        self,
        inputs: jax.Array,
        states: Any,
        over_time: bool = False,
        mask: jax.Array | None = None,
        unroll: bool = False,
    ) -> tuple[jax.Array, list[Any]]:
        next_states: list[Any] = []
        for cell, state in zip(self.cells, states, strict=True):
            before = as_list(state)
            if over_time:  # each cell over all steps, then the next one: equal, and faster
                inputs, after = run_cell(self, cell, inputs, before, mask, unroll)
            else:
                inputs, after = cell(inputs, before)
            several = isinstance(state, list | tuple)
            next_states.append(as_list(after) if several else as_list(after)[0])
        return inputs, next_states

    @property
    def _sized(self) -> list[Any]:
        return list(self.cells)


def starts_from_zeros(cell: Any) -> bool:
    """Returns whether a cell's initial state is known to be zeros."""
    kind: type = cell.__class__
    own = getattr(kind, "get_initial_state", None)
    if own is StackedRNNCells.get_initial_state:
        return all(map(starts_from_zeros, cell.cells))
    return own is None or own is RecurrentCell.get_initial_state
