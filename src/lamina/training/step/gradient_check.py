"""A check in each step that gradients are finite, cheap enough to run always."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.ops.arrays import is_placed

__all__ = ["gradients_are_finite"]

_MAX_GRADIENTS = 64  # that are checked
_SMALL = 4096  # elements up to which a gradient is checked as a whole


def gradients_are_finite(gradients: Sequence[jax.Array]) -> jax.Array:
    """Return whether gradients seem finite: small ones are read whole, others along two edges.

    Infinities and NaNs spread in a backward pass: to whole rows or columns of the gradient of a
    matrix, and to the layers before. So the first row and the first column of each gradient are
    read, and of more than 64 gradients an evenly spaced part. Reading all gradients would slow
    down each step.

    >>> gradients_are_finite([jnp.ones((200, 30)).at[:, 7].set(jnp.nan)]).item()
    False
    """
    floating = [g for g in gradients if g.size and jnp.issubdtype(g.dtype, jnp.inexact)]
    stride = -(-len(floating) // _MAX_GRADIENTS) or 1
    parts = [part for gradient in floating[::stride] for part in _edges(gradient)]
    return jnp.isfinite(sum(map(jnp.sum, _join(parts)), jnp.zeros(())))


def _join(parts: Sequence[jax.Array]) -> list[jax.Array]:
    """Return one array, to be read in one loop, with NaN where some part is not finite, else 0.

    Parts of equal shape and dtype are added first, then the shorter to the longer ones. Explicitly
    sharded parts are returned separately: joining them would move data between devices.
    """
    sums: dict[Any, jax.Array] = {}
    for part in parts:
        zeros, kind = _zero_or_nan(part), jax.typeof(part)
        sums[kind] = lax.add(sums[kind], zeros) if kind in sums else zeros
    sharded = [part for part in sums.values() if is_placed(part)]
    rows = [lax.reshape(part, (part.size,)) for part in sums.values() if not is_placed(part)]
    rows.sort(key=lambda row: row.size)
    return [*sharded, functools.reduce(_add_padded, rows)] if rows else sharded


def _add_padded(shorter: jax.Array, row: jax.Array) -> jax.Array:
    """Add two rows, the shorter one padded with zeros."""
    return lax.add(lax.pad(shorter, np.float32(0), [(0, row.size - shorter.size, 0)]), row)


def _zero_or_nan(part: jax.Array) -> jax.Array:
    """Return float32 0 for each finite element and NaN for the others."""
    zeros = lax.mul(part, lax.full_like(part, 0))
    real = lax.real(zeros) if jnp.iscomplexobj(zeros) else zeros
    return lax.convert_element_type(real, np.float32)


def _edges(gradient: jax.Array) -> list[jax.Array]:
    if gradient.size <= _SMALL or gradient.ndim < 2:
        return [gradient]
    matrix = gradient.reshape(-1, gradient.shape[-1])
    return [lax.index_in_dim(matrix, 0, axis, keepdims=False) for axis in (0, 1)]
