"""Depthwise convolutions on the CPU: sums over taps of shifted inputs, each times its weights.

XLA's own loop over a depthwise convolution reads one number at a time. A sum over taps is one
fused loop over the channels, which the processor's vector instructions compute.
The kernels are ``[taps..., 1, channels multiplier]``; arrays have their channels last.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.convolution.geometry import Geometry
from lamina.ops.convolution.padding import padded, placed, shifted

__all__ = ["convolve", "input_gradient", "kernel_gradient"]

_BLOCK = 4096  # the values of one tap that the loop over blocks accumulates at once


def convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Convolve each channel of x with its own kernels."""
    whole = padded(x, geometry.pads)
    parts = [
        _sum_over_taps(whole, weights, geometry.strides, geometry.dilation, geometry.outputs)
        for weights in _by_multiple(kernel, geometry)
    ]
    return _interleaved(parts)


def input_gradient(y: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to x: convolve y with the reversed kernel."""
    sizes = (size + span - 1 for size, span in zip(geometry.sizes, geometry.spans, strict=True))
    larger = dataclasses.replace(geometry, sizes=tuple(sizes))
    fronts = [
        span - 1 - front for span, (front, _) in zip(geometry.spans, geometry.pads, strict=True)
    ]
    ones = (1,) * geometry.rank
    multiple = kernel.shape[-1] // geometry.groups
    total = None
    for index, weights in enumerate(_by_multiple(kernel, geometry)):
        spread = placed(y[..., index::multiple], fronts, larger)
        reverse = lax.rev(weights, range(geometry.rank))
        part = _sum_over_taps(spread, reverse, ones, geometry.dilation, geometry.sizes)
        total = part if total is None else total + part
    assert total is not None
    return total


def kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """Transpose :func:`convolve` with regard to the kernel."""
    whole = padded(x, geometry.pads)
    multiple = y.shape[-1] // geometry.groups
    parts = [_correlated(whole, y[..., m::multiple], geometry) for m in range(multiple)]
    return lax.expand_dims(_interleaved(parts), (geometry.rank,))


def _by_multiple(kernel: jax.Array, geometry: Geometry) -> Iterator[jax.Array]:
    """Split a kernel into ones of a single filter a channel, ``[taps..., channels]``."""
    multiple = kernel.shape[-1] // geometry.groups
    flat = lax.squeeze(kernel, (geometry.rank,))
    return (flat[..., index::multiple] for index in range(multiple))


def _interleaved(parts: Sequence[jax.Array]) -> jax.Array:
    if len(parts) == 1:
        return parts[0]
    stacked = jnp.stack(parts, -1)
    return stacked.reshape(*stacked.shape[:-2], -1)


def _taps(geometry_taps: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return itertools.product(*map(range, geometry_taps))


def _sum_over_taps(
    x: jax.Array,
    weights: jax.Array,
    strides: Sequence[int],
    dilation: Sequence[int],
    counts: Sequence[int],
) -> jax.Array:
    terms = [
        shifted(x, tap, strides, dilation, counts) * weights[tap]
        for tap in _taps(weights.shape[:-1])
    ]
    return sum(terms[1:], terms[0])


def _correlated(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """Compute ``sum_p x[s p + d k, c] y[p, c]`` for all taps k of a padded x, block by block of y.

    Each turn of the loop adds the products of one block to accumulators of the block's shape, one
    per tap; they are summed over the points at the end.

    Returns:
        ``[taps..., channels]``.
    """
    strides, dilation, channels = geometry.strides, geometry.dilation, x.shape[-1]
    block, numbers = _blocks(geometry.outputs, channels)
    window = [
        (count - 1) * stride + span
        for count, stride, span in zip(block, strides, geometry.spans, strict=True)
    ]
    # Zeros make y a whole number of blocks, and x as long as they reach.
    whole = [number * count for number, count in zip(numbers, block, strict=True)]
    y = padded(y, [(0, n - size) for n, size in zip(whole, geometry.outputs, strict=True)])
    reach = [(n - 1) * s + span for n, s, span in zip(whole, strides, geometry.spans, strict=True)]
    x = padded(x, [(0, max(n - size, 0)) for n, size in zip(reach, x.shape[1:-1], strict=True)])
    taps = list(_taps(geometry.taps))

    def add(turn: jax.Array, totals: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        starts: list[jax.Array] = []
        for number, count in zip(reversed(numbers), reversed(block), strict=True):
            starts.insert(0, turn % number * count)
            turn = turn // number
        into = [start * stride for start, stride in zip(starts, strides, strict=True)]
        seen = lax.dynamic_slice(x, (turn, *into, 0), (1, *window, channels))
        given = lax.dynamic_slice(y, (turn, *starts, 0), (1, *block, channels))
        return tuple(
            total + shifted(seen, tap, strides, dilation, block) * given
            for tap, total in zip(taps, totals, strict=True)
        )

    empty = jnp.zeros((1, *block, channels), x.dtype)
    turns = x.shape[0] * math.prod(numbers)
    loop = cast(Any, lax.fori_loop)
    totals: tuple[jax.Array, ...] = loop(0, turns, add, (empty,) * len(taps))
    sums = jnp.stack(totals).sum(range(1, geometry.rank + 2))
    return sums.reshape(*geometry.taps, channels)


def _blocks(outputs: Sequence[int], channels: int) -> tuple[list[int], list[int]]:
    """Choose the sizes of the blocks of y, and how many of them each axis has."""
    room = max(_BLOCK // channels, 1)
    block: list[int] = []
    for count in reversed(outputs):
        number = -(-count // room)
        block.insert(0, -(-count // number))
        room = max(room // block[0], 1)
    return block, [-(-count // size) for count, size in zip(outputs, block, strict=True)]
