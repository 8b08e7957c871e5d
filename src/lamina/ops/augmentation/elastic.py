"""Elastic deformations of images."""

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
    sample,
)
from lamina.ops.spatial import DataFormat

__all__ = ["elastic_transform"]

_LEAST = 1e-6  # smallest standard deviation


@one_program("most", "interpolation", "fill_mode", "fill_value", "data_format")
def elastic_transform(
    images: jax.Array,
    noise: jax.Array,
    alpha: jax.Array | float,
    sigma: jax.Array | float,
    most: float,
    *,
    interpolation: Interpolation = "bilinear",
    fill_mode: FillMode = "reflect",
    fill_value: float = 0.0,
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Move pixels by smoothed noise: ``y[i, j] = x[i + d, j + d]``, d = ``a s smooth(n)[i, j]``.

    The noise is smoothed by a Gaussian filter of standard deviation s, cut off at 3 s, as in Keras,
    where a pixel moves as far down as to the right.

    Args:
        images: ``[batch, height, width, channels]``, or channels first; floating.
        noise: ``[batch, height, width]``, the numbers n.
        alpha: the number a, in pixels.
        sigma: the number s, in pixels.
        most: the largest sigma that the program is for.
        interpolation: ``"bilinear"`` (default) to interpolate between the four nearest pixels, or
            ``"nearest"`` for the nearest one.
        fill_mode: values of pixels outside of the image: ``"reflect"`` (default) for the image
            mirrored at its edges, ``"mirror"`` for the same with edges that are not repeated,
            ``"wrap"`` for the image repeated, ``"nearest"`` for the nearest pixel, ``"constant"``
            for ``fill_value``.
        fill_value: value of pixels outside if ``fill_mode`` is ``"constant"``; 0 by default.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        The shape and dtype of the images.

    Source: Simard et al., Best practices for convolutional neural networks, ICDAR 2003.

    >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    >>> elastic_transform(x, jnp.zeros((1, 2, 2)), 1.0, 1.0, 1.0).ravel().tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    x = channels_last(images, data_format)
    height, width = x.shape[1:3]
    spread = jnp.maximum(jnp.asarray(sigma, noise.dtype), _LEAST)
    half = int(6 * most) // 2
    points = jnp.arange(-half, half + 1)
    within = jnp.abs(points) <= jnp.floor(6 * spread) // 2
    weights = jnp.where(within, jnp.exp(-((points / spread) ** 2) / 2), 0)
    weights = (weights / jnp.sum(weights)).astype(noise.dtype)
    field = (noise * spread)[:, None]
    for shape in ((1, 1, -1, 1), (1, 1, 1, -1)):
        field = lax.conv_general_dilated(field, weights.reshape(shape), (1, 1), "SAME")
    moves = jnp.asarray(alpha, noise.dtype) * field[:, 0]
    made = sample(
        x,
        jnp.arange(height)[:, None] + moves,
        jnp.arange(width) + moves,
        interpolation=interpolation,
        fill_mode=fill_mode,
        fill_value=fill_value,
    )
    return channels_back(made, data_format)
