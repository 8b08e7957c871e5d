"""Grouped convolutions on the CPU: a few dense convolutions with block-diagonal kernels.

XLA computes the groups of a convolution one after the other, and the gradient of their kernels in a
loop that reads one number at a time. A dense convolution over several small groups computes
products with zeros as well, and is still faster. Arrays have their channels last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.convolution.geometry import Geometry

__all__ = ["convolve", "input_gradient", "kernel_gradient"]

_CHANNELS = 32  # the least number of channels of a dense convolution, where there are so many

Product = Callable[[jax.Array, jax.Array, Geometry], jax.Array]


def convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry, dense: Product) -> jax.Array:
    """Convolve each group of channels of x with its own kernels; `dense` convolves one bundle."""
    bundles = _bundles(x.shape[-1], geometry)
    single = dataclasses.replace(geometry, groups=1)
    parts = [
        dense(part, _block_diagonal(weights, geometry.groups // bundles), single)
        for part, weights in zip(_split(x, bundles), _split(kernel, bundles), strict=True)
    ]
    return lax.concatenate(parts, geometry.rank + 1)


def input_gradient(
    y: jax.Array, kernel: jax.Array, geometry: Geometry, dense: Product
) -> jax.Array:
    """Transpose :func:`convolve` with regard to x; `dense` does it for one bundle."""
    bundles = _bundles(kernel.shape[-2] * geometry.groups, geometry)
    single = dataclasses.replace(geometry, groups=1)
    parts = [
        dense(part, _block_diagonal(weights, geometry.groups // bundles), single)
        for part, weights in zip(_split(y, bundles), _split(kernel, bundles), strict=True)
    ]
    return lax.concatenate(parts, geometry.rank + 1)


def kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry, dense: Product) -> jax.Array:
    """Transpose :func:`convolve` with regard to the kernel; `dense` does it for one bundle."""
    bundles = _bundles(x.shape[-1], geometry)
    single = dataclasses.replace(geometry, groups=1)
    parts = [
        _diagonal_blocks(dense(part, given, single), geometry.groups // bundles)
        for part, given in zip(_split(x, bundles), _split(y, bundles), strict=True)
    ]
    return lax.concatenate(parts, geometry.rank + 1)


def _bundles(channels: int, geometry: Geometry) -> int:
    """Choose the number of dense convolutions: as many as the channels of each allow."""
    groups = geometry.groups
    wide = [n for n in range(1, groups + 1) if groups % n == 0 and channels // n >= _CHANNELS]
    return max(wide, default=1)


def _split(array: jax.Array, parts: int) -> list[jax.Array]:
    return jnp.split(array, parts, -1)


def _block_diagonal(kernel: jax.Array, groups: int) -> jax.Array:
    """Arrange ``[taps..., channels / groups, filters]`` as a dense kernel, zero between groups."""
    if groups == 1:
        return kernel
    *taps, channels, filters = kernel.shape
    parts = kernel.reshape(*taps, channels, groups, filters // groups)
    parts = jnp.moveaxis(parts, -2, -3)  # [taps..., groups, channels, filters]
    own = jnp.eye(groups, dtype=kernel.dtype)[:, None, :, None]
    return (parts[..., :, :, None, :] * own).reshape(*taps, groups * channels, filters)


def _diagonal_blocks(kernel: jax.Array, groups: int) -> jax.Array:
    """Transpose :func:`_block_diagonal`: the entries of a dense kernel within the groups."""
    if groups == 1:
        return kernel
    *taps, channels, filters = kernel.shape
    parts = kernel.reshape(*taps, groups, channels // groups, groups, filters // groups)
    # [taps..., channels, filters, groups]
    own: jax.Array = cast(Any, jnp.diagonal)(parts, axis1=-4, axis2=-2)
    return jnp.moveaxis(own, -1, -2).reshape(*taps, channels // groups, filters)
