"""Dense convolutions and their gradients on the CPU, as convolutions of one layout.

XLA's fast loops want ``[batch, space..., channels]``, ``[taps..., channels, filters]`` and no
negative padding. It brings other convolutions to this layout, but not those within loops of a
program, such as the steps of an epoch: those it would compute number by number. The arrays are
therefore transposed and cropped here. Arrays have their channels last, and there is one group.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.convolution.geometry import Geometry
from lamina.ops.convolution.padding import padded

__all__ = ["convolve", "input_gradient", "kernel_gradient"]

Pads = tuple[tuple[int, int], ...]


def convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Convolve x with the kernel."""
    ones = (1,) * geometry.rank
    return _plain(x, kernel, geometry.strides, geometry.pads, ones, geometry.dilation)


def input_gradient(y: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to x.

    It is the convolution of y, with zeros between its points, with the reversed kernel.
    """
    pads: list[tuple[int, int]] = []
    for size, count, span, stride, (front, _) in zip(
        geometry.sizes,
        geometry.outputs,
        geometry.spans,
        geometry.strides,
        geometry.pads,
        strict=True,
    ):
        before = span - 1 - front
        pads.append((before, size + span - 2 - before - (count - 1) * stride))
    reversed_kernel = lax.rev(jnp.swapaxes(kernel, -1, -2), range(geometry.rank))
    ones = (1,) * geometry.rank
    return _plain(y, reversed_kernel, ones, tuple(pads), geometry.strides, geometry.dilation)


def kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to the kernel.

    It is a convolution of x with y, in which the batch takes the place of the channels.
    """
    pads = tuple(
        (front, (taps - 1) * step + (count - 1) * stride + 1 - size - front)
        for size, taps, step, count, stride, (front, _) in zip(
            geometry.sizes,
            geometry.taps,
            geometry.dilation,
            geometry.outputs,
            geometry.strides,
            geometry.pads,
            strict=True,
        )
    )
    space = range(1, geometry.rank + 1)
    channels = lax.transpose(x, (x.ndim - 1, *space, 0))
    outputs = lax.transpose(y, (*space, 0, y.ndim - 1))
    ones = (1,) * geometry.rank
    gradient = _plain(channels, outputs, geometry.dilation, pads, ones, geometry.strides)
    return lax.transpose(gradient, (*space, 0, y.ndim - 1))


def _plain(
    x: jax.Array,
    kernel: jax.Array,
    strides: tuple[int, ...],
    pads: Pads,
    x_dilation: tuple[int, ...],
    kernel_dilation: tuple[int, ...],
) -> jax.Array:
    """Convolve in the layout that XLA's loops want."""
    if all(step == 1 for step in x_dilation):  # padding counts the points with zeros between them
        x = padded(x, tuple((min(front, 0), min(back, 0)) for front, back in pads))
        pads = tuple((max(front, 0), max(back, 0)) for front, back in pads)
    rank = len(strides)
    array = (0, rank + 1, *range(1, rank + 1))
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        pads,
        lhs_dilation=x_dilation,
        rhs_dilation=kernel_dilation,
        dimension_numbers=lax.ConvDimensionNumbers(array, (rank + 1, rank, *range(rank)), array),
    )
