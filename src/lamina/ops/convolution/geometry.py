"""The geometry of a convolution: its taps, strides, padding, dilation, groups and layout."""

from __future__ import annotations

import dataclasses
import functools
import math

from jax import lax

__all__ = ["Geometry", "extent"]


def extent(size: int, dilation: int) -> int:
    """Compute the number of points that a dilated kernel spans: ``(size - 1) dilation + 1``.

    Args:
        size: the size of the kernel, in taps.
        dilation: the distance between taps, in points.

    Returns:
        The number of points.

    >>> extent(3, 2)
    5
    """
    return (size - 1) * dilation + 1


@dataclasses.dataclass(frozen=True)
class Geometry:
    """The numbers in ``y[p, f] = sum_{k, c} x[s p + d k - front, c] kernel[k, c, f]``.

    Args:
        sizes: the sizes of the spatial axes of x.
        taps: the sizes of the kernel.
        strides: s, one per spatial axis.
        pads: the zeros in front of and behind each spatial axis of x; negative numbers crop.
        dilation: d, the distance between taps, one per spatial axis.
        groups: the number of groups of channels.
        channels_first: whether x and y are ``[batch, channels, space...]``.
    """

    sizes: tuple[int, ...]
    taps: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int = 1
    channels_first: bool = False

    @functools.cached_property
    def spans(self) -> tuple[int, ...]:
        """The number of points that the kernel spans, one per spatial axis."""
        return tuple(map(extent, self.taps, self.dilation))

    @functools.cached_property
    def outputs(self) -> tuple[int, ...]:
        """The sizes of the spatial axes of y."""
        return tuple(
            max((size + sum(pads) - span) // stride + 1, 0)
            for size, pads, span, stride in zip(
                self.sizes, self.pads, self.spans, self.strides, strict=True
            )
        )

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.sizes)

    @property
    def is_empty(self) -> bool:
        """Whether x or y has no points."""
        return not math.prod(self.sizes) * math.prod(self.outputs)

    @functools.cached_property
    def dimension_numbers(self) -> lax.ConvDimensionNumbers:
        """The axes of x, of ``[taps..., channels, filters]`` and of y, for XLA."""
        rank = self.rank
        space = tuple(range(2, rank + 2)) if self.channels_first else tuple(range(1, rank + 1))
        array = (0, 1 if self.channels_first else rank + 1, *space)
        return lax.ConvDimensionNumbers(array, (rank + 1, rank, *range(rank)), array)

    def shaped(self, batch: int, sizes: tuple[int, ...], channels: int) -> tuple[int, ...]:
        """Return the shape of an array with these sizes in this layout."""
        if self.channels_first:
            return (batch, channels, *sizes)
        return (batch, *sizes, channels)
