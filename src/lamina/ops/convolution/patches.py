"""Convolutions of one tap, few points or few channels on the CPU: products of patches and kernel.

The patch of a point of y holds the values of x that the taps of the kernel read for it.
Arrays have their channels last.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import jax
from jax import lax

from lamina.ops.convolution.geometry import Geometry
from lamina.ops.convolution.padding import padded, placed, shifted

__all__ = ["convolve", "input_gradient", "kernel_gradient"]


def convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Multiply the patches by the kernel as a matrix."""
    y = lax.dot(_patches(x, geometry), _rows(kernel))
    return lax.reshape(y, (x.shape[0], *geometry.outputs, kernel.shape[-1]))


def input_gradient(y: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to x: add the patches of y in their places."""
    channels = kernel.shape[-2]
    patches = lax.dot_general(
        _rows(y), _rows(kernel), (((1,), (1,)), ((), ()))
    )  # [points, taps channels]
    total = None
    for index, tap in enumerate(_taps(geometry)):
        part = lax.slice_in_dim(patches, index * channels, (index + 1) * channels, axis=1)
        part = lax.reshape(part, (*y.shape[:-1], channels))
        fronts = [
            k * dilation - front
            for k, dilation, (front, _) in zip(tap, geometry.dilation, geometry.pads, strict=True)
        ]
        spread = placed(part, fronts, geometry)
        total = spread if total is None else total + spread
    assert total is not None
    return total


def kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to the kernel."""
    matrix = lax.dot_general(_patches(x, geometry), _rows(y), (((0,), (0,)), ((), ())))
    return lax.reshape(matrix, (*geometry.taps, x.shape[-1], y.shape[-1]))


def _patches(x: jax.Array, geometry: Geometry) -> jax.Array:
    """Return the patches of all points of y, ``[batch points, taps channels]``."""
    whole = padded(x, geometry.pads)
    parts = [
        shifted(whole, tap, geometry.strides, geometry.dilation, geometry.outputs)
        for tap in _taps(geometry)
    ]
    return _rows(lax.concatenate(parts, x.ndim - 1))


def _taps(geometry: Geometry) -> Iterator[tuple[int, ...]]:
    return itertools.product(*map(range, geometry.taps))


def _rows(array: jax.Array) -> jax.Array:
    return lax.reshape(array, (math.prod(array.shape[:-1]), array.shape[-1]))
