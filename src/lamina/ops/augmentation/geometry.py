"""Flips, crops and affine transforms of images.

An affine transform is given by a matrix ``[2, 3]`` that maps each pixel ``(x, y, 1)`` of the output
to the point ``(x, y)`` of the input that it shows, x along the width and y along the height.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.augmentation.compiled import one_program
from lamina.ops.augmentation.sampling import (
    FillMode,
    Interpolation,
    channels_back,
    channels_last,
    per_image,
    sample,
)
from lamina.ops.images import image_axes
from lamina.ops.spatial import DataFormat

__all__ = [
    "affine_transform",
    "crop_at",
    "flip",
    "rotations",
    "shears",
    "translations",
    "zooms",
]


def flip(images: jax.Array, flips: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """Flip some images of a batch.

    Args:
        images: ``[batch, ...]``.
        flips: ``[batch]``, bool, whether to flip each image.
        axes: the axes along which to flip.

    Returns:
        The shape and dtype of the images.

    >>> x = jnp.arange(4).reshape(2, 1, 2, 1)
    >>> flip(x, jnp.array([False, True]), (-2,))[:, 0, :, 0].tolist()
    [[0, 1], [3, 2]]
    """
    return jnp.where(per_image(flips, images), jnp.flip(images, axes), images)


def crop_at(
    images: jax.Array,
    start: tuple[jax.Array, jax.Array],
    size: tuple[int, int],
    *,
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Crop images at a row and a column.

    Args:
        images: ``[..., height, width, channels]``, or channels first.
        start: first row and first column of the crop, integers.
        size: height and width of the crop, at most those of the images.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        The crops, in the dtype of the images.

    >>> crop_at(jnp.arange(5).reshape(1, 5, 1), (0, 2), (1, 2)).ravel().tolist()
    [2, 3]
    """
    for axis, first, wanted in zip(image_axes(data_format), start, size, strict=True):
        images = lax.dynamic_slice_in_dim(images, first, wanted, axis % images.ndim)
    return images


@one_program("height", "width")
def rotations(angles: jax.Array, height: int, width: int) -> jax.Array:
    """Return matrices that rotate images about their center, counterclockwise.

    Args:
        angles: ``[batch]``, in radians.
        height: height of the images in pixels.
        width: width of the images in pixels.

    Returns:
        ``[batch, 2, 3]``.

    >>> abs(rotations(jnp.zeros(1), 3, 3))[0].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    x, y = (width - 1) / 2, (height - 1) / 2
    return _matrices((cos, -sin, x - cos * x + sin * y), (sin, cos, y - sin * x - cos * y))


@one_program("height", "width")
def zooms(heights: jax.Array, widths: jax.Array, height: int, width: int) -> jax.Array:
    """Return matrices that zoom images about their center.

    Args:
        heights: ``[batch]``, height of the part of the input that is shown, in heights of the
            image: below 1 enlarges.
        widths: ``[batch]``, width of the part that is shown, in widths of the image.
        height: height of the images in pixels.
        width: width of the images in pixels.

    Returns:
        ``[batch, 2, 3]``.

    >>> zooms(jnp.full(1, 2.0), jnp.ones(1), 3, 3)[0].tolist()
    [[1.0, 0.0, 0.0], [0.0, 2.0, -1.0]]
    """
    zero = jnp.zeros_like(heights)
    x, y = (width - 1) / 2 * (1 - widths), (height - 1) / 2 * (1 - heights)
    return _matrices((widths, zero, x), (zero, heights, y))


@one_program()
def translations(down: jax.Array, right: jax.Array) -> jax.Array:
    """Return matrices that move images.

    Args:
        down: ``[batch]``, distances in pixels.
        right: ``[batch]``, distances in pixels.

    Returns:
        ``[batch, 2, 3]``.

    >>> translations(jnp.full(1, 2.0), jnp.ones(1))[0].tolist()
    [[1.0, 0.0, -1.0], [0.0, 1.0, -2.0]]
    """
    zero, one = jnp.zeros_like(down), jnp.ones_like(down)
    return _matrices((one, zero, -right), (zero, one, -down))


@one_program()
def shears(x: jax.Array, y: jax.Array) -> jax.Array:
    """Return matrices that shear images: the input's point is ``(x + a y, y + b x)``.

    Args:
        x: ``[batch]``, the numbers a.
        y: ``[batch]``, the numbers b.

    Returns:
        ``[batch, 2, 3]``.

    >>> shears(jnp.full(1, 0.5), jnp.zeros(1))[0].tolist()
    [[1.0, 0.5, 0.0], [0.0, 1.0, 0.0]]
    """
    zero, one = jnp.zeros_like(x), jnp.ones_like(x)
    return _matrices((one, x, zero), (y, one, zero))


@one_program("interpolation", "fill_mode", "fill_value", "data_format")
def affine_transform(
    images: jax.Array,
    matrices: jax.Array,
    *,
    interpolation: Interpolation = "bilinear",
    fill_mode: FillMode = "constant",
    fill_value: float = 0.0,
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Transform images by an affine map of their pixels.

    Args:
        images: ``[batch, height, width, channels]``, or channels first; floating.
        matrices: ``[batch, 2, 3]``, which map a pixel ``(x, y, 1)`` of the output to a point of
            the input.
        interpolation: as for :func:`lamina.ops.augmentation.sampling.sample`.
        fill_mode: as for :func:`lamina.ops.augmentation.sampling.sample`.
        fill_value: as for :func:`lamina.ops.augmentation.sampling.sample`.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        The shape and dtype of the images.

    >>> x = jnp.arange(3.0).reshape(1, 1, 3, 1)
    >>> affine_transform(x, translations(jnp.zeros(1), jnp.ones(1))).ravel().tolist()
    [0.0, 0.0, 1.0]
    """
    images = channels_last(images, data_format)
    matrices = matrices.astype(jnp.float32)[:, :, :, None, None]
    x, y = jnp.arange(images.shape[2])[None, None, :], jnp.arange(images.shape[1])[None, :, None]
    columns, rows = (
        matrices[:, axis, 0] * x + matrices[:, axis, 1] * y + matrices[:, axis, 2]
        for axis in (0, 1)
    )
    found = sample(
        images,
        rows,
        columns,
        interpolation=interpolation,
        fill_mode=fill_mode,
        fill_value=fill_value,
    )
    return channels_back(found, data_format)


def _matrices(x: tuple[jax.Array, ...], y: tuple[jax.Array, ...]) -> jax.Array:
    return jnp.stack([jnp.stack(x, -1), jnp.stack(y, -1)], -2)
