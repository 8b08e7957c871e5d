"""Convolutions of one tap on the CPU: products of matrices. Arrays have their channels last."""

from __future__ import annotations

import jax
from jax import lax

from lamina.ops.convolution.geometry import Geometry
from lamina.ops.convolution.padding import padded, placed, shifted

__all__ = ["convolve", "input_gradient", "kernel_gradient"]


def convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Multiply the channels of the points that are read by the kernel."""
    return _product(_points(x, geometry), _matrix(kernel))


def input_gradient(y: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to x."""
    fronts = [-front for front, _ in geometry.pads]
    return placed(_product(y, _matrix(kernel).T), fronts, geometry)


def kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to the kernel."""
    points = tuple(range(geometry.rank + 1))
    matrix = lax.dot_general(_points(x, geometry), y, ((points, points), ((), ())))
    return lax.expand_dims(matrix, tuple(range(geometry.rank)))


def _points(x: jax.Array, geometry: Geometry) -> jax.Array:
    ones = (0,) * geometry.rank
    return shifted(
        padded(x, geometry.pads), ones, geometry.strides, geometry.dilation, geometry.outputs
    )


def _product(x: jax.Array, matrix: jax.Array) -> jax.Array:
    return lax.dot_general(x, matrix, (((x.ndim - 1,), (0,)), ((), ())))


def _matrix(kernel: jax.Array) -> jax.Array:
    return lax.squeeze(kernel, range(kernel.ndim - 2))
