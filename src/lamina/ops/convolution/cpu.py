"""Convolutions and their gradients on the CPU: for each kind the arrangement that is fastest.

XLA has fast loops for dense convolutions over one and two axes, and for their gradients. For the
others it falls back to a loop that reads one number at a time. Depthwise and grouped convolutions,
three spatial axes and single taps are therefore arranged as sums or products that XLA computes
with vector instructions.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp

from lamina.ops.convolution import depthwise, grouped, library, pointwise, volumes
from lamina.ops.convolution.geometry import Geometry

__all__ = ["convolve", "input_gradient", "kernel_gradient"]

_MOST_TAPS = 128  # the most terms of a sum over taps, each of which is a part of the program

Product = Callable[[jax.Array, jax.Array, Geometry], jax.Array]
Kind = Literal["dense", "depthwise", "grouped", "pointwise", "volume"]


def convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Convolve x with the kernel."""
    arrangements: dict[Kind, Product] = {
        "depthwise": depthwise.convolve,
        "grouped": functools.partial(grouped.convolve, dense=convolve),
        "pointwise": pointwise.convolve,
        "volume": functools.partial(volumes.convolve, flat=convolve),
    }
    arranged = arrangements.get(_kind(geometry, kernel.shape[geometry.rank], x.dtype))
    if arranged is None:
        return library.convolve(x, kernel, geometry)
    x = _channels_last(x, geometry)
    y = arranged(_wide(x), _wide(kernel), _last(geometry))
    return _in_layout(y.astype(x.dtype), geometry)


def input_gradient(y: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to x."""
    arrangements: dict[Kind, Product] = {
        "depthwise": depthwise.input_gradient,
        "grouped": functools.partial(grouped.input_gradient, dense=input_gradient),
        "pointwise": pointwise.input_gradient,
        "volume": functools.partial(volumes.input_gradient, flat=input_gradient),
    }
    arranged = arrangements.get(_kind(geometry, kernel.shape[geometry.rank], y.dtype))
    if arranged is None:
        return library.input_gradient(y, kernel, geometry)
    y = _channels_last(y, geometry)
    x = arranged(_wide(y), _wide(kernel), _last(geometry))
    return _in_layout(x.astype(y.dtype), geometry)


def kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to the kernel."""
    arrangements: dict[Kind, Product] = {
        "depthwise": depthwise.kernel_gradient,
        "grouped": functools.partial(grouped.kernel_gradient, dense=kernel_gradient),
        "pointwise": pointwise.kernel_gradient,
        "volume": functools.partial(volumes.kernel_gradient, flat=kernel_gradient),
    }
    channels = x.shape[1 if geometry.channels_first else -1] // geometry.groups
    arranged = arrangements.get(_kind(geometry, channels, x.dtype))
    if arranged is None:
        return library.kernel_gradient(x, y, geometry)
    x, y = _channels_last(x, geometry), _channels_last(y, geometry)
    return arranged(_wide(x), _wide(y), _last(geometry)).astype(x.dtype)


def _kind(geometry: Geometry, channels: int, dtype: jnp.dtype) -> Kind:
    """Name the kind of a convolution whose groups have so many channels of x."""
    if geometry.is_empty or not jnp.issubdtype(dtype, jnp.floating):
        return "dense"
    if geometry.groups > 1:
        few_taps = math.prod(geometry.taps) <= _MOST_TAPS
        return "depthwise" if channels == 1 and few_taps else "grouped"
    if math.prod(geometry.taps) == 1:
        return "pointwise"
    return "volume" if geometry.rank == 3 else "dense"


def _wide(array: jax.Array) -> jax.Array:
    """Convert to at least float32, in which sums over many terms keep their digits."""
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def _last(geometry: Geometry) -> Geometry:
    return dataclasses.replace(geometry, channels_first=False)


def _channels_last(array: jax.Array, geometry: Geometry) -> jax.Array:
    return jnp.moveaxis(array, 1, -1) if geometry.channels_first else array


def _in_layout(array: jax.Array, geometry: Geometry) -> jax.Array:
    return jnp.moveaxis(array, -1, 1) if geometry.channels_first else array
