"""Convolutions and their gradients as XLA's convolution computes them."""

from __future__ import annotations

from typing import Any, cast

import jax
from jax import lax

from lamina.ops.convolution.geometry import Geometry

__all__ = ["convolve", "input_gradient", "kernel_gradient"]


def convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Convolve x with the kernel."""
    return lax.conv_general_dilated(
        x,
        kernel,
        geometry.strides,
        geometry.pads,
        rhs_dilation=geometry.dilation,
        dimension_numbers=geometry.dimension_numbers,
        feature_group_count=geometry.groups,
    )


def input_gradient(y: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to x."""
    if geometry.groups == 1:
        return _transposed(y, kernel, geometry)
    channels = kernel.shape[geometry.rank] * geometry.groups
    x = jax.ShapeDtypeStruct(geometry.shaped(y.shape[0], geometry.sizes, channels), y.dtype)

    def product(x: jax.Array) -> jax.Array:
        return convolve(x, kernel, geometry)

    return cast(Any, jax.linear_transpose)(product, x)(y)[0]


def kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to the kernel."""
    axis = 1 if geometry.channels_first else geometry.rank + 1
    shape = (*geometry.taps, x.shape[axis] // geometry.groups, y.shape[axis])
    kernel = jax.ShapeDtypeStruct(shape, x.dtype)

    def product(kernel: jax.Array) -> jax.Array:
        return convolve(x, kernel, geometry)

    return cast(Any, jax.linear_transpose)(product, kernel)(y)[0]


def _transposed(y: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Convolve y, with zeros between its points, with the reversed kernel; for a single group."""
    counts = y.shape[2:] if geometry.channels_first else y.shape[1:-1]
    pads: list[tuple[int, int]] = []
    for size, count, span, stride, (front, _) in zip(
        geometry.sizes, counts, geometry.spans, geometry.strides, geometry.pads, strict=True
    ):
        before = span - 1 - front
        pads.append((before, size + span - 2 - before - (count - 1) * stride))
    rank = geometry.rank
    array, _, _ = geometry.dimension_numbers
    return lax.conv_general_dilated(
        y,
        lax.rev(kernel, range(rank)),
        (1,) * rank,
        pads,
        lhs_dilation=geometry.strides,
        rhs_dilation=geometry.dilation,
        dimension_numbers=lax.ConvDimensionNumbers(array, (rank, rank + 1, *range(rank)), array),
    )
