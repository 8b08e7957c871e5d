"""The softmax over unmasked elements."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from lamina.ops.arrays import Operand, cast, float_dtype

__all__ = ["kept_softmax"]


def kept_softmax(
    x: Operand, axis: int | Sequence[int] = -1, mask: Operand | None = None
) -> jax.Array:
    """Compute the softmax over unmasked elements: ``y_i = exp(x_i) / sum_j exp(x_j)``.

    Args:
        x: ``[...]``.
        axis: the axis or axes whose elements sum to 1; -1 by default.
        mask: bool, broadcasts against x; where it is False y is 0. Numbers above 0.5 count as
            True. If all elements are masked, all are 0. None (default) masks none.

    Returns:
        The shape of x, in its dtype; float32 for integers.

    >>> kept_softmax(jnp.array([2.0, 2.0, 9.0]), mask=jnp.array([True, True, False])).tolist()
    [0.5, 0.5, 0.0]
    """
    x = cast(x, float_dtype(x))
    over = tuple(axis) if isinstance(axis, Sequence) else axis
    if mask is None:
        return jax.nn.softmax(x, over)
    kept = cast(mask, bool) if mask.dtype == bool else jnp.asarray(mask) > 0.5
    # Finite, so that a fully masked row does not give NaN.
    lowest = float(jnp.finfo(x.dtype).min)  # pyright: ignore[reportUnknownArgumentType]
    return jnp.where(kept, jax.nn.softmax(jnp.where(kept, x, lowest), over), 0)
