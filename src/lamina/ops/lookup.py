"""Rows of a table, picked by id."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import Operand, as_ids

__all__ = ["lookup"]


def lookup(table: Operand, ids: Operand) -> jax.Array:
    """Pick rows of a table: ``y[..., :] = table[ids[...], :]``.

    An id outside ``0 <= id < rows`` gives a row of NaN, never a neighbour's row: negative ids do
    not count from the end. Its gradient goes nowhere.

    Args:
        table: ``[rows, units]``, floating.
        ids: ``[...]``, cast to int32; one that it cannot hold is outside.

    Returns:
        ``[..., units]``, in the table's dtype.

    >>> lookup(jnp.array([[1.0], [2.0]]), jnp.array([1, 0, 2, -1])).tolist()
    [[2.0], [1.0], [nan], [nan]]
    """
    rows, index = jnp.asarray(table), as_ids(ids)
    # Below 0 is outside as well; ids that were computed XLA on CPU scatters gradients by faster.
    index = jnp.where(index < 0, rows.shape[0], index)
    # Ids on one axis: else XLA copies the gradients once more on their way into the table.
    dimensions = lax.GatherDimensionNumbers(
        offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,)
    )
    found = lax.gather(
        rows,
        lax.reshape(index, (index.size, 1)),
        dimensions,
        slice_sizes=(1, rows.shape[1]),
        mode=lax.GatherScatterMode.FILL_OR_DROP,
    )
    return lax.reshape(found, (*index.shape, rows.shape[1]))
