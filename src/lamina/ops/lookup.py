"""Looking up the rows of a table by id."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import Operand, as_ids

__all__ = ["lookup"]


def lookup(table: Operand, ids: Operand) -> jax.Array:
    """Look up rows of a table: ``y[..., :] = table[ids[...], :]``.

    An id outside of [0, rows) gives a row of NaN, without a gradient; negative ids do not count
    from the end.

    Args:
        table: ``[rows, units]``, floating.
        ids: ``[...]``, converted to int32; ids that are out of its range give NaN.

    Returns:
        ``[..., units]``, in the table's dtype.

    >>> lookup(jnp.array([[1.0], [2.0]]), jnp.array([1, 0, 2, -1])).tolist()
    [[2.0], [1.0], [nan], [nan]]
    """
    rows, index = jnp.asarray(table), as_ids(ids)
    # Negative ids are out of range too; XLA scatters gradients faster on CPU for computed ids.
    index = jnp.where(index < 0, rows.shape[0], index)
    # A flat array of ids spares XLA a copy of the gradients.
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
