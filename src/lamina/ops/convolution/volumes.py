"""Convolutions over three axes on the CPU: over two axes, with the taps of the first as channels.

XLA has fast loops for two spatial axes only. Arrays have their channels last.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.convolution.geometry import Geometry
from lamina.ops.convolution.padding import padded, placed, shifted

__all__ = ["convolve", "input_gradient", "kernel_gradient"]

Product = Callable[[jax.Array, jax.Array, Geometry], jax.Array]


def convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry, flat: Product) -> jax.Array:
    """Convolve over the three axes; `flat` convolves over the last two."""
    y = flat(_unfolded(x, geometry), _flat_kernel(kernel), _flat(geometry))
    return y.reshape(x.shape[0], *geometry.outputs, y.shape[-1])


def input_gradient(y: jax.Array, kernel: jax.Array, geometry: Geometry, flat: Product) -> jax.Array:
    """Transpose :func:`convolve` with regard to x; `flat` does it over two axes."""
    gradient = flat(y.reshape(-1, *y.shape[2:]), _flat_kernel(kernel), _flat(geometry))
    return _folded(gradient.reshape(y.shape[0], -1, *gradient.shape[1:]), geometry)


def kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry, flat: Product) -> jax.Array:
    """Transpose :func:`convolve` with regard to the kernel; `flat` does it over two axes."""
    gradient = flat(_unfolded(x, geometry), y.reshape(-1, *y.shape[2:]), _flat(geometry))
    *taps, channels, filters = gradient.shape
    parts = gradient.reshape(*taps, geometry.taps[0], channels // geometry.taps[0], filters)
    return jnp.moveaxis(parts, 2, 0)


def _flat(geometry: Geometry) -> Geometry:
    """Return the geometry of the last two axes."""
    return Geometry(
        geometry.sizes[1:],
        geometry.taps[1:],
        geometry.strides[1:],
        geometry.pads[1:],
        geometry.dilation[1:],
    )


def _flat_kernel(kernel: jax.Array) -> jax.Array:
    """Arrange ``[t, taps..., channels, filters]`` as ``[taps..., t channels, filters]``."""
    moved = jnp.moveaxis(kernel, 0, 2)
    return moved.reshape(*moved.shape[:2], -1, moved.shape[-1])


def _first(geometry: Geometry) -> Geometry:
    """Return the geometry of the first axis alone, as one over three axes."""
    return Geometry(
        geometry.sizes,
        (geometry.taps[0], 1, 1),
        (geometry.strides[0], 1, 1),
        (geometry.pads[0], (0, 0), (0, 0)),
        (geometry.dilation[0], 1, 1),
    )


def _unfolded(x: jax.Array, geometry: Geometry) -> jax.Array:
    """Concatenate the planes that the taps of the first axis read: ``[batch planes, ..., t c]``."""
    first = _first(geometry)
    whole = padded(x, first.pads)
    planes = [
        shifted(whole, (tap, 0, 0), first.strides, first.dilation, first.outputs)
        for tap in range(geometry.taps[0])
    ]
    joined = lax.concatenate(planes, x.ndim - 1)
    return joined.reshape(-1, *joined.shape[2:])


def _folded(gradient: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`_unfolded`: add the planes where the taps read them."""
    first = _first(geometry)
    parts = jnp.split(gradient, geometry.taps[0], -1)
    front, step = geometry.pads[0][0], geometry.dilation[0]
    terms = [placed(part, (tap * step - front, 0, 0), first) for tap, part in enumerate(parts)]
    return sum(terms[1:], terms[0])
