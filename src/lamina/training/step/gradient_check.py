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


def gradients_are_finite(
    gradients: Sequence[jax.Array], parts: Sequence[tuple[int, ...]] | None = None
) -> jax.Array:
    """Return whether gradients seem finite: small ones are read whole, others along two edges.

    Infinities and NaNs spread in a backward pass: to whole rows or columns of the gradient of a
    matrix, and to the layers before. So the first row and the first column of each gradient are
    read, and of more than 64 gradients an evenly spaced part. Reading all gradients would slow
    down each step. On several devices these are edges of the part of each device: those of the
    whole would be moved between devices, and the rest of the gradient with them.

    Args:
        gradients: the gradients.
        parts: for each of them the number of parts of each axis, of which each is on one device;
            None (default) if there is one device.

    >>> gradients_are_finite([jnp.ones((200, 30)).at[:, 7].set(jnp.nan)]).item()
    False
    """
    floating = [
        n for n, g in enumerate(gradients) if g.size and jnp.issubdtype(g.dtype, jnp.inexact)
    ]
    stride = -(-len(floating) // _MAX_GRADIENTS) or 1
    checked = floating[::stride]
    if parts is None:
        edges = [edge for n in checked for edge in _edges(gradients[n])]
        return jnp.isfinite(sum(map(jnp.sum, _join(edges)), jnp.zeros(())))
    sums: dict[Any, jax.Array] = {}
    for n in checked:
        for number, edge in enumerate(_edges_of_parts(gradients[n], parts[n])):
            zeros, kind = _zero_or_nan(edge), (jax.typeof(edge), parts[n], number)
            sums[kind] = lax.add(sums[kind], zeros) if kind in sums else zeros
    return jnp.isfinite(sum(map(jnp.sum, sums.values()), jnp.zeros(())))


def _join(parts: Sequence[jax.Array]) -> list[jax.Array]:
    """Return one array, to be read in one loop, with NaN where some part is not finite, else 0.

    Parts of equal shape and dtype are added first, then the shorter, repeated, to the longest.
    They are not padded: LLVM compiles such a loop so that it reads behind the end of the shorter
    parts, which ends the process. Explicitly sharded parts are returned separately: joining them
    would move data between devices.
    """
    sums: dict[Any, jax.Array] = {}
    for part in parts:
        zeros, kind = _zero_or_nan(part), jax.typeof(part)
        sums[kind] = lax.add(sums[kind], zeros) if kind in sums else zeros
    sharded = [part for part in sums.values() if is_placed(part)]
    rows = [lax.reshape(part, (part.size,)) for part in sums.values() if not is_placed(part)]
    rows.sort(key=lambda row: -row.size)
    return [*sharded, functools.reduce(_add_repeated, rows)] if rows else sharded


def _add_repeated(row: jax.Array, shorter: jax.Array) -> jax.Array:
    """Add two rows, the shorter one repeated to the length of the other."""
    count = -(-row.size // shorter.size)
    repeated = lax.reshape(lax.broadcast(shorter, (count,)), (count * shorter.size,))
    return lax.add(row, lax.slice(repeated, (0,), (row.size,)))


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


def _edges_of_parts(gradient: jax.Array, parts: tuple[int, ...]) -> list[jax.Array]:
    """Return the first row and column of each part of a gradient."""
    if gradient.size <= _SMALL or gradient.ndim < 2:
        return [gradient]
    sizes = zip(parts, gradient.shape, strict=True)
    split = gradient.reshape([n for count, size in sizes for n in (count, size // count)])
    row = split[(slice(None), 0) * (gradient.ndim - 1)]
    return [row, split[..., 0]]
