"""Spatial axes of arrays ``[batch, ...]``: padding, cropping and upsampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import jax
from jax import lax

from lamina.ops.arrays import cast, float_dtype

__all__ = ["DataFormat", "channel_axis", "crop", "spatial_axes", "upsample", "zero_pad"]

DataFormat = Literal["channels_last", "channels_first"]


def channel_axis(rank: int, data_format: DataFormat) -> int:
    """Return the axis of the channels.

    Args:
        rank: the number of axes of the array.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Returns:
        The axis, non-negative.

    >>> channel_axis(4, "channels_last"), channel_axis(4, "channels_first")
    (3, 1)
    """
    return rank - 1 if data_format == "channels_last" else 1


def spatial_axes(rank: int, data_format: DataFormat) -> tuple[int, ...]:
    """Return the axes that are neither batch nor channels.

    Args:
        rank: the number of axes of the array.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Returns:
        The axes, non-negative.

    >>> spatial_axes(4, "channels_last"), spatial_axes(4, "channels_first")
    ((1, 2), (2, 3))
    """
    return tuple(range(1, rank - 1) if data_format == "channels_last" else range(2, rank))


def zero_pad(
    x: jax.Array,
    padding: Sequence[tuple[int, int]],
    *,
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Pad the spatial axes with zeros.

    Args:
        x: ``[batch, space..., channels]``, or channels first.
        padding: the number of zeros before and after, a pair per spatial axis.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        ``[batch, space'..., channels]`` in x's order.

    >>> import jax.numpy as jnp
    >>> zero_pad(jnp.ones((1, 2, 1)), [(1, 2)])[0, :, 0].tolist()
    [0.0, 1.0, 1.0, 0.0, 0.0]
    """
    edges = [(0, 0, 0)] * x.ndim
    for axis, (front, behind) in zip(spatial_axes(x.ndim, data_format), padding, strict=True):
        edges[axis] = (front, behind, 0)
    return lax.pad(x, lax.full((), 0, x.dtype), edges)


def crop(
    x: jax.Array,
    cropping: Sequence[tuple[int, int]],
    *,
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Crop the spatial axes; an axis that is cropped more than its size becomes empty.

    Args:
        x: ``[batch, space..., channels]``, or channels first.
        cropping: the number of points to remove before and after, a pair per spatial axis.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        ``[batch, space'..., channels]`` in x's order.

    >>> import jax.numpy as jnp
    >>> crop(jnp.arange(5).reshape(1, 5, 1), [(1, 2)])[0, :, 0].tolist()
    [1, 2]
    """
    starts, ends = [0] * x.ndim, list(x.shape)
    for axis, (front, behind) in zip(spatial_axes(x.ndim, data_format), cropping, strict=True):
        starts[axis] = min(front, x.shape[axis])
        ends[axis] = max(x.shape[axis] - behind, starts[axis])
    return lax.slice(x, starts, ends)


def upsample(
    x: jax.Array,
    factors: Sequence[int],
    *,
    interpolation: str = "nearest",
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Upsample the spatial axes by integer factors.

    Args:
        x: ``[batch, space..., channels]``, or channels first.
        factors: the positive integer factors, one per spatial axis.
        interpolation: ``"nearest"`` (default) repeats points; ``"bilinear"``, ``"bicubic"``,
            ``"lanczos3"`` and ``"lanczos5"`` are those of :func:`jax.image.resize`.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        ``[batch, space'..., channels]`` in x's order.

    >>> import jax.numpy as jnp
    >>> upsample(jnp.arange(3).reshape(1, 3, 1), [2])[0, :, 0].tolist()
    [0, 0, 1, 1, 2, 2]
    """
    axes = spatial_axes(x.ndim, data_format)
    by_axis = dict(zip(axes, factors, strict=True))
    shape = [size * by_axis.get(axis, 1) for axis, size in enumerate(x.shape)]
    if interpolation != "nearest":
        image: Any = jax.image
        return image.resize(cast(x, float_dtype(x)), shape, interpolation)
    # [..., size, ...] -> [..., size, factor, ...], of which each pair of axes is then one
    places = [axis + sum(space < axis for space in axes) for axis in range(x.ndim)]
    repeated: list[int] = []
    for axis, size in enumerate(x.shape):
        repeated += [size, by_axis[axis]] if axis in by_axis else [size]
    return lax.reshape(lax.broadcast_in_dim(x, repeated, places), shape)
