"""Convolutions and their gradients on the CPU: for each kind the arrangement that is fastest.

XLA has fast loops for dense convolutions over one and two axes, and for their gradients, unless
there are few points. For the others it falls back to a loop that reads one number at a time.
Depthwise and grouped convolutions, three spatial axes, single taps and few points are therefore
arranged as sums or products that XLA computes with vector instructions. Dense convolutions are
written in the one layout for which XLA has fast loops.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp

from lamina.ops.convolution import dense, depthwise, grouped, library, patches, volumes
from lamina.ops.convolution.geometry import Geometry

__all__ = ["convolve", "input_gradient", "kernel_gradient", "kind_of"]

_MOST_TAPS = 128  # the most terms of a sum over taps, each of which is a part of the program
_MOST_NUMBERS = 2**22  # the most numbers in the patches of all points, if XLA's loops would do

Product = Callable[[jax.Array, jax.Array, Geometry], jax.Array]
Kind = Literal["dense", "depthwise", "grouped", "library", "patches", "volume"]


def convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Convolve x with the kernel."""
    arrangements: dict[Kind, Product] = {
        "dense": dense.convolve,
        "depthwise": depthwise.convolve,
        "grouped": functools.partial(grouped.convolve, dense=convolve),
        "patches": patches.convolve,
        "volume": functools.partial(volumes.convolve, flat=convolve),
    }
    arranged = arrangements.get(kind_of(geometry, x.shape[0], kernel.shape[geometry.rank], x.dtype))
    if arranged is None:
        return library.convolve(x, kernel, geometry)
    x = _channels_last(x, geometry)
    y = arranged(_wide(x), _wide(kernel), _last(geometry))
    return _in_layout(y.astype(x.dtype), geometry)


def input_gradient(y: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to x."""
    arrangements: dict[Kind, Product] = {
        "dense": dense.input_gradient,
        "depthwise": depthwise.input_gradient,
        "grouped": functools.partial(grouped.input_gradient, dense=input_gradient),
        "patches": patches.input_gradient,
        "volume": functools.partial(volumes.input_gradient, flat=input_gradient),
    }
    arranged = arrangements.get(kind_of(geometry, y.shape[0], kernel.shape[geometry.rank], y.dtype))
    if arranged is None:
        return library.input_gradient(y, kernel, geometry)
    y = _channels_last(y, geometry)
    x = arranged(_wide(y), _wide(kernel), _last(geometry))
    return _in_layout(x.astype(y.dtype), geometry)


def kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to the kernel."""
    arrangements: dict[Kind, Product] = {
        "dense": dense.kernel_gradient,
        "depthwise": depthwise.kernel_gradient,
        "grouped": functools.partial(grouped.kernel_gradient, dense=kernel_gradient),
        "patches": patches.kernel_gradient,
        "volume": functools.partial(volumes.kernel_gradient, flat=kernel_gradient),
    }
    channels = x.shape[1 if geometry.channels_first else -1] // geometry.groups
    arranged = arrangements.get(kind_of(geometry, x.shape[0], channels, x.dtype))
    if arranged is None:
        return library.kernel_gradient(x, y, geometry)
    x, y = _channels_last(x, geometry), _channels_last(y, geometry)
    return arranged(_wide(x), _wide(y), _last(geometry)).astype(x.dtype)


def kind_of(geometry: Geometry, batch: int, channels: int, dtype: jnp.dtype) -> Kind:
    """Return the kind of a convolution.

    Args:
        geometry: its geometry.
        batch: the batch size.
        channels: the channels of x in each group.
        dtype: the dtype of x.
    """
    if geometry.is_empty or not jnp.issubdtype(dtype, jnp.floating):
        return "library"
    if geometry.groups > 1:
        few_taps = math.prod(geometry.taps) <= _MOST_TAPS
        return "depthwise" if channels == 1 and few_taps else "grouped"
    if _are_patches_fast(geometry, batch, channels):
        return "patches"
    return "volume" if geometry.rank == 3 else "dense"


def _are_patches_fast(geometry: Geometry, batch: int, channels: int) -> bool:
    """Return whether products of patches are faster than XLA's loops.

    Patches of a single tap are the points of x. XLA computes fewer than 8 points number by number,
    up to 100 times slower. Products are also faster for up to 16 points, and for patches of up to
    32 numbers, as those of images of three colors, as long as the patches fit a cache.
    """
    taps = math.prod(geometry.taps)
    points = min(math.prod(geometry.sizes), math.prod(geometry.outputs))
    if taps == 1 or taps > _MOST_TAPS or points < 8:
        return taps <= _MOST_TAPS
    numbers = batch * math.prod(geometry.outputs) * taps * channels
    short = taps * channels <= 32 and set(geometry.strides) == {1}
    return numbers <= _MOST_NUMBERS and (points <= 16 or short)


def _wide(array: jax.Array) -> jax.Array:
    """Convert to at least float32, in which sums over many terms keep their digits."""
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def _last(geometry: Geometry) -> Geometry:
    return dataclasses.replace(geometry, channels_first=False)


def _channels_last(array: jax.Array, geometry: Geometry) -> jax.Array:
    return jnp.moveaxis(array, 1, -1) if geometry.channels_first else array


def _in_layout(array: jax.Array, geometry: Geometry) -> jax.Array:
    return jnp.moveaxis(array, -1, 1) if geometry.channels_first else array
