"""Sampling of images at points between their pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.spatial import DataFormat

__all__ = ["FillMode", "Interpolation", "channels_back", "channels_last", "per_image", "sample"]

FillMode = Literal["reflect", "mirror", "wrap", "constant", "nearest"]
Interpolation = Literal["nearest", "bilinear"]


def _reflect(index: jax.Array, size: int) -> jax.Array:
    """The index within an image that is continued by its mirror image, edges repeated."""
    folded = index % (2 * size)
    return jnp.minimum(folded, 2 * size - 1 - folded)


def _mirror(index: jax.Array, size: int) -> jax.Array:
    """The index within an image that is continued by its mirror image, edges not repeated."""
    period = max(2 * size - 2, 1)
    folded = index % period
    return jnp.minimum(folded, period - folded)


def _clip(index: jax.Array, size: int) -> jax.Array:
    return jnp.clip(index, 0, size - 1)


def _take(pixels: jax.Array, places: jax.Array) -> jax.Array:
    return jnp.take(pixels, places, 0, mode="clip")


_WITHIN: dict[FillMode, Callable[[jax.Array, int], jax.Array]] = {
    "reflect": _reflect,
    "mirror": _mirror,
    "wrap": lambda index, size: index % size,
    "constant": _clip,
    "nearest": _clip,
}


def sample(
    images: jax.Array,
    rows: jax.Array,
    columns: jax.Array,
    *,
    interpolation: Interpolation = "bilinear",
    fill_mode: FillMode = "constant",
    fill_value: float = 0.0,
) -> jax.Array:
    """Sample images at points, given as rows and columns of pixel centers.

    Args:
        images: ``[batch, height, width, channels]``, floating.
        rows: ``[batch, height', width']``, row of each point; the first row is 0.
        columns: ``[batch, height', width']``, column of each point; the first column is 0.
        interpolation: ``"bilinear"`` (default) to interpolate between the four nearest pixels, or
            ``"nearest"`` for the nearest one.
        fill_mode: values of pixels outside of the image: ``"constant"`` (default) for
            ``fill_value``, ``"nearest"`` for the nearest pixel, ``"reflect"`` for the image
            mirrored at its edges, ``"mirror"`` for the same with edges that are not repeated,
            ``"wrap"`` for the image repeated.
        fill_value: value of pixels outside if ``fill_mode`` is ``"constant"``; 0 by default.

    Returns:
        ``[batch, height', width', channels]`` in the dtype of the images.

    >>> image = jnp.arange(4.0).reshape(1, 1, 4, 1)
    >>> columns = jnp.array([[[0.5, 3.0, 4.0]]])
    >>> sample(image, 0 * columns, columns, fill_mode="nearest").ravel().tolist()
    [0.5, 3.0, 3.0]
    >>> sample(image, 0 * columns, columns, fill_mode="wrap").ravel().tolist()
    [0.5, 3.0, 0.0]
    """
    height, width, channels = images.shape[1:]
    flat = images.reshape(images.shape[0], height * width, channels)
    within = _WITHIN[fill_mode]

    def pixels(row: jax.Array, column: jax.Array) -> jax.Array:
        places = within(row, height) * width + within(column, width)
        found = jax.vmap(_take)(flat, places)
        if fill_mode != "constant":
            return found
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        return jnp.where(inside[..., None], found, jnp.asarray(fill_value, found.dtype))

    if interpolation == "nearest":
        return pixels(lax.round(rows).astype(jnp.int32), lax.round(columns).astype(jnp.int32))
    top, left = jnp.floor(rows), jnp.floor(columns)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    row, column = top.astype(jnp.int32), left.astype(jnp.int32)
    upper = (1 - right) * pixels(row, column) + right * pixels(row, column + 1)
    lower = (1 - right) * pixels(row + 1, column) + right * pixels(row + 1, column + 1)
    return ((1 - down) * upper + down * lower).astype(images.dtype)


def channels_last(images: jax.Array, data_format: DataFormat) -> jax.Array:
    """Move the channels of images to the end.

    Args:
        images: ``[..., height, width, channels]``, or channels first.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Returns:
        ``[..., height, width, channels]``.

    >>> channels_last(jnp.ones((3, 4, 5)), "channels_first").shape
    (4, 5, 3)
    """
    return images if data_format == "channels_last" else jnp.moveaxis(images, -3, -1)


def channels_back(images: jax.Array, data_format: DataFormat) -> jax.Array:
    """Move the channels of images from the end to their place, the inverse of `channels_last`.

    Args:
        images: ``[..., height, width, channels]``.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Returns:
        ``[..., height, width, channels]``, or channels first.

    >>> channels_back(jnp.ones((4, 5, 3)), "channels_first").shape
    (3, 4, 5)
    """
    return images if data_format == "channels_last" else jnp.moveaxis(images, -1, -3)


def per_image(values: jax.Array, images: jax.Array) -> jax.Array:
    """Reshape one value for each image to broadcast to the images.

    Args:
        values: ``[batch]``, numbers or booleans.
        images: ``[batch, ...]``.

    Returns:
        ``[batch, 1, ...]``; numbers are cast to the dtype of floating images.

    >>> per_image(jnp.ones(2), jnp.ones((2, 3, 4, 1), "bfloat16")).shape
    (2, 1, 1, 1)
    """
    spread = values.reshape(-1, *[1] * (images.ndim - 1))
    cast = jnp.issubdtype(values.dtype, jnp.floating) and jnp.issubdtype(images.dtype, jnp.floating)
    return spread.astype(images.dtype) if cast else spread
