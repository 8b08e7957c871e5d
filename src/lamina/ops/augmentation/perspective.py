"""Perspective transforms of images."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from lamina.ops.augmentation.compiled import one_program
from lamina.ops.augmentation.sampling import (
    Interpolation,
    channels_back,
    channels_last,
    sample,
)
from lamina.ops.spatial import DataFormat

__all__ = ["corners_of", "perspective_transform"]


def corners_of(height: int, width: int) -> jax.Array:
    """Return the corners (x, y) of an image: upper left, upper right, lower left, lower right.

    Args:
        height: height of the image in pixels.
        width: width of the image in pixels.

    Returns:
        ``[4, 2]``, float32, the centers of the corner pixels.

    >>> corners_of(3, 5).tolist()
    [[0.0, 0.0], [4.0, 0.0], [0.0, 2.0], [4.0, 2.0]]
    """
    right, bottom = width - 1, height - 1
    return jnp.array([[0, 0], [right, 0], [0, bottom], [right, bottom]], jnp.float32)


@one_program("interpolation", "fill_value", "data_format")
def perspective_transform(
    images: jax.Array,
    corners: jax.Array,
    *,
    interpolation: Interpolation = "bilinear",
    fill_value: float = 0.0,
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Move the corners of images, and all pixels with them by a perspective map.

    Args:
        images: ``[batch, height, width, channels]``, or channels first; floating.
        corners: ``[batch, 4, 2]``, new places of the corners in the order of :func:`corners_of`.
        interpolation: as for :func:`lamina.ops.augmentation.sampling.sample`.
        fill_value: value of points outside of the image; 0 by default.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        The shape and dtype of the images.

    Source: Heckbert, Fundamentals of texture mapping and image warping, 1989.

    >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    >>> swapped = corners_of(2, 2)[None, jnp.array([1, 0, 3, 2])]
    >>> perspective_transform(x, swapped).ravel().tolist()
    [1.0, 0.0, 3.0, 2.0]
    """
    images = channels_last(images, data_format)
    height, width = images.shape[1:3]
    inverse = _adjugate(_from_square(corners.astype(jnp.float32)))[..., None, None]
    x, y = jnp.arange(width)[None, None, :], jnp.arange(height)[None, :, None]
    across, down, depth = (
        inverse[:, row, 0] * x + inverse[:, row, 1] * y + inverse[:, row, 2] for row in range(3)
    )
    rows, columns = down / depth * (height - 1), across / depth * (width - 1)
    found = sample(images, rows, columns, interpolation=interpolation, fill_value=fill_value)
    return channels_back(found, data_format)


def _from_square(corners: jax.Array) -> jax.Array:
    """Matrices ``[batch, 3, 3]`` that map the unit square to quadrilaterals."""
    (x0, y0), (x1, y1), (x3, y3), (x2, y2) = (
        (corners[:, corner, 0], corners[:, corner, 1]) for corner in range(4)
    )
    right_x, right_y, lower_x, lower_y = x1 - x2, y1 - y2, x3 - x2, y3 - y2
    skew_x, skew_y = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    area = right_x * lower_y - lower_x * right_y
    g = (skew_x * lower_y - lower_x * skew_y) / area
    h = (right_x * skew_y - skew_x * right_y) / area
    rows = (
        (x1 - x0 + g * x1, x3 - x0 + h * x3, x0),
        (y1 - y0 + g * y1, y3 - y0 + h * y3, y0),
        (g, h, jnp.ones_like(g)),
    )
    return jnp.stack([jnp.stack(row, -1) for row in rows], 1)


def _adjugate(matrices: jax.Array) -> jax.Array:
    """The inverses of matrices ``[batch, 3, 3]`` up to a factor: columns are cross products."""
    first, second, third = matrices[:, 0], matrices[:, 1], matrices[:, 2]
    pairs = (second, third), (third, first), (first, second)
    return jnp.stack([jnp.cross(one, other) for one, other in pairs], -1)
