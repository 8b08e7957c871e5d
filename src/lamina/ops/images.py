"""Resizing, cropping and padding of images ``[..., height, width, channels]``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import cast
from lamina.ops.spatial import DataFormat

__all__ = ["center_crop", "crop_to_aspect", "image_axes", "pad_to_aspect", "resize"]

_image: Any = jax.image
_resample: Callable[..., jax.Array] = _image.resize


def image_axes(data_format: DataFormat) -> tuple[int, int]:
    """Return the axes of height and width, counted from the end.

    Args:
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Returns:
        The two axes.

    >>> image_axes("channels_last"), image_axes("channels_first")
    ((-3, -2), (-2, -1))
    """
    return (-3, -2) if data_format == "channels_last" else (-2, -1)


def resize(
    images: jax.Array,
    size: tuple[int, int],
    method: str = "bilinear",
    *,
    antialias: bool = False,
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Resize images by :func:`jax.image.resize`; integers are rounded and clipped to their range.

    Args:
        images: ``[..., height, width, channels]``, or channels first.
        size: the new height and width, in pixels.
        method: a method of :func:`jax.image.resize`; ``"bilinear"`` by default.
        antialias: whether to smooth before downsampling; False by default.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        ``[..., *size, channels]`` in the order of the images, in their dtype if integer.

    >>> resize(jnp.arange(4).reshape(2, 2, 1), (2, 4), "nearest")[..., 0].tolist()
    [[0, 0, 1, 1], [2, 2, 3, 3]]
    """
    shape = _sized(images, size, data_format)
    found: jax.Array = _resample(images, shape, method, antialias=antialias)
    if not jnp.issubdtype(images.dtype, jnp.integer):
        return found
    limits = jnp.iinfo(images.dtype)
    return cast(jnp.clip(jnp.round(found), limits.min, limits.max), images.dtype)


def center_crop(
    images: jax.Array, size: tuple[int, int], *, data_format: DataFormat = "channels_last"
) -> jax.Array:
    """Crop the centre of images.

    Args:
        images: ``[..., height, width, channels]``, or channels first.
        size: the height and width of the result, at most those of the images.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        The crops, in the dtype of the images.

    >>> center_crop(jnp.arange(5).reshape(1, 5, 1), (1, 2))[..., 0].tolist()
    [[1, 2]]
    """
    for axis, wanted in zip(image_axes(data_format), size, strict=True):
        start = (images.shape[axis] - wanted) // 2
        images = lax.slice_in_dim(images, start, start + wanted, axis=axis % images.ndim)
    return images


def crop_to_aspect(
    images: jax.Array, size: tuple[int, int], *, data_format: DataFormat = "channels_last"
) -> jax.Array:
    """Crop the largest centre of images that has a given aspect ratio.

    Args:
        images: ``[..., height, width, channels]``, or channels first.
        size: a height and a width, whose ratio is that of the result.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        The crops, in the dtype of the images.

    >>> crop_to_aspect(jnp.ones((4, 6, 1)), (1, 1)).shape
    (4, 4, 1)
    """
    height, width = (images.shape[axis] for axis in image_axes(data_format))
    inner = (
        max(min(height, width * size[0] // size[1]), 1),
        max(min(width, height * size[1] // size[0]), 1),
    )
    return center_crop(images, inner, data_format=data_format)


def pad_to_aspect(
    images: jax.Array,
    size: tuple[int, int],
    fill: float = 0.0,
    *,
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Pad images on both sides to a given aspect ratio.

    Args:
        images: ``[..., height, width, channels]``, or channels first.
        size: a height and a width, whose ratio is that of the result.
        fill: the value of the padding; 0.0 by default.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        The padded images, in the dtype of the images.

    >>> pad_to_aspect(jnp.ones((2, 6, 1)), (1, 1)).shape
    (6, 6, 1)
    """
    axes = image_axes(data_format)
    height, width = (images.shape[axis] for axis in axes)
    wanted = max(height, width * size[0] // size[1]), max(width, height * size[1] // size[0])
    edges = [(0, 0, 0)] * images.ndim
    for axis, to in zip(axes, wanted, strict=True):
        edge = (to - images.shape[axis]) // 2
        edges[axis] = (edge, edge, 0)
    return lax.pad(images, lax.full((), fill, images.dtype), edges)


def _sized(images: jax.Array, size: tuple[int, int], data_format: DataFormat) -> tuple[int, ...]:
    shape = list(images.shape)
    for axis, wanted in zip(image_axes(data_format), size, strict=True):
        shape[axis] = wanted
    return tuple(shape)
