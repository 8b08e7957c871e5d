"""Cells on top of each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.recurrent.cells import as_list, check_cell, first_states, run_cell

__all__ = ["StackedRNNCells"]


class StackedRNNCells(Layer):
    """Cells as one cell: each gets the output of the one before it, and keeps its own state.

    Shapes: inputs ``[batch, features]`` and the cells' states, a list with an entry for each ->
    the last cell's output, and the next states.

    Args:
        cells: the cells, from the input to the output.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: there is no cell, or one is not a layer with `call` and `state_size`.

    >>> import jax.numpy as jnp
    >>> from lamina.layers import RNN, GRUCell, LSTMCell
    >>> layer = RNN(StackedRNNCells([LSTMCell(4), GRUCell(5)]), return_state=True)
    >>> output, (h, c), (state,) = layer(jnp.ones((2, 7, 3)))
    >>> output.shape, h.shape, c.shape, state.shape
    ((2, 5), (2, 4), (2, 4), (2, 5))
    """

    def __init__(self, cells: Sequence[Layer], **options: Any) -> None:
        super().__init__(**options)
        self.cells = [check_cell(self, cell) for cell in cells]
        if not self.cells:
            raise InputError(
                explain(
                    "StackedRNNCells got no cells.",
                    where=f"made at {self._lamina.made_at}",
                    expected="a list of one cell or more",
                    received="an empty list",
                    remedy="Give cells, such as [LSTMCell(8), LSTMCell(8)].",
                )
            )

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the cells' states, an entry for each cell."""
        return [cell.state_size for cell in self._sized]

    @property
    def output_size(self) -> Any:
        """The size of the last cell's output."""
        last = self._sized[-1]
        return getattr(last, "output_size", None) or as_list(last.state_size)[0]

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states from which the cells start, an entry for each."""
        return [first_states(cell, batch_size) for cell in self.cells]

    def call(
        self,
        inputs: jax.Array,
        states: Any,
        over_time: bool = False,
        mask: jax.Array | None = None,
        unroll: bool = False,
    ) -> tuple[jax.Array, list[Any]]:
        after: list[Any] = []
        for cell, state in zip(self.cells, states, strict=True):
            given = as_list(state)
            if over_time:  # one cell over all steps, then the next: the same, and faster
                inputs, made = run_cell(self, cell, inputs, given, mask, unroll)
            else:
                inputs, made = cell(inputs, given)
            after.append(as_list(made) if isinstance(state, list | tuple) else as_list(made)[0])
        return inputs, after

    @property
    def _sized(self) -> list[Any]:
        return list(self.cells)
