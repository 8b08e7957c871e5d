"""Zero padding, shifts and folding of spatial axes, for arrays with their channels last."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.convolution.geometry import Geometry

__all__ = ["padded", "placed", "shifted"]


def padded(x: jax.Array, pads: Sequence[tuple[int, int]]) -> jax.Array:
    """Pad the spatial axes with zeros in front and behind; negative numbers crop."""
    return _pad(x, [(front, behind, 0) for front, behind in pads])


def shifted(
    x: jax.Array,
    tap: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    counts: Sequence[int],
) -> jax.Array:
    """Slice the points of a padded x that tap k reads: ``x[:, d k + s p]`` for p below `counts`."""
    starts = [k * d for k, d in zip(tap, dilation, strict=True)]
    limits = [
        start + (count - 1) * stride + 1
        for start, count, stride in zip(starts, counts, strides, strict=True)
    ]
    return lax.slice(x, (0, *starts, 0), (x.shape[0], *limits, x.shape[-1]), (1, *strides, 1))


def placed(y: jax.Array, fronts: Sequence[int], geometry: Geometry) -> jax.Array:
    """Spread y to the sizes of x: point p goes to point ``s p + front``, others are zero."""
    pads: list[tuple[int, int, int]] = []
    for front, size, count, stride in zip(
        fronts, geometry.sizes, y.shape[1:-1], geometry.strides, strict=True
    ):
        pads.append((front, size - front - (count - 1) * stride - 1, stride - 1))
    return _pad(y, pads)


def _pad(x: jax.Array, pads: Sequence[tuple[int, int, int]]) -> jax.Array:
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *pads, (0, 0, 0)])
