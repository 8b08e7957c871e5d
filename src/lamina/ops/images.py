"""Images ``[..., height, width, channels]``, or channels first, in other sizes."""

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
    """The axes of height and width, from the end.

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
    """Resample images by :func:`jax.image.resize`; whole numbers are rounded and stay in range.

    Args:
        images: ``[..., height, width, channels]``, or channels first.
        size: the new height and width.
        method: of :func:`jax.image.resize`.
        antialias: whether a smaller image is made of all points of the larger one.
        data_format: where the channels are.

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
    """The middle of images, of a size that they have at least.

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
    """The largest middle of images that has the proportions of a size.

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
    """Images with edges of one value, as much on either side, to the proportions of a size.

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
