"""Sharpening and blurring of images."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.augmentation.compiled import one_program
from lamina.ops.augmentation.sampling import per_image

__all__ = ["gaussian_blur", "gaussian_weights", "sharpen"]


@one_program("axes")
def sharpen(images: jax.Array, amounts: jax.Array, *, axes: tuple[int, int]) -> jax.Array:
    """Move images away from, or towards, a smoothed copy: ``y = s + a (x - s)``.

    The smoothed image s has 5/13 of a pixel and 1/13 of each of its 8 neighbors; pixels outside of
    the image are 0.

    Args:
        images: ``[batch, height, width, channels]``, or channels first; floating.
        amounts: ``[batch]``, the numbers a: 0 smooths, 1 changes nothing.
        axes: the axes of height and width.

    Returns:
        The shape and dtype of the images.

    >>> x = jnp.array([0.0, 13.0, 0.0]).reshape(1, 1, 3, 1)
    >>> sharpen(x, jnp.array([0.0]), axes=(1, 2)).ravel().tolist()
    [1.0, 5.0, 1.0]
    """
    sums = images
    for axis in axes:
        sums = _weighted(sums, [jnp.ones((1,) * images.ndim, images.dtype)] * 3, axis)
    smooth = (sums + 4 * images) / 13
    return smooth + per_image(amounts, images) * (images - smooth)


def gaussian_weights(size: int, sigma: jax.Array) -> jax.Array:
    """Return the weights of a Gaussian filter: proportional to ``exp(-x^2 / (2 sigma^2))``.

    Args:
        size: number of weights, odd.
        sigma: ``[batch]``, standard deviations in pixels, positive.

    Returns:
        ``[batch, size]``, whose rows sum to 1.

    >>> gaussian_weights(3, jnp.array([1e-3])).tolist()
    [[0.0, 1.0, 0.0]]
    """
    x = jnp.arange(size) - (size - 1) / 2
    weights = jnp.exp(-((x / sigma[:, None]) ** 2) / 2)
    return weights / jnp.sum(weights, -1, keepdims=True)


@one_program("sizes", "axes")
def gaussian_blur(
    images: jax.Array, sizes: tuple[int, int], sigmas: jax.Array, *, axes: tuple[int, int]
) -> jax.Array:
    """Blur images by a Gaussian filter along each axis; pixels outside of an image are 0.

    Args:
        images: ``[batch, height, width, channels]``, or channels first; floating.
        sizes: numbers of weights along height and width, odd.
        sigmas: ``[batch, 2]``, standard deviations along height and width in pixels.
        axes: the axes of height and width.

    Returns:
        The shape and dtype of the images.

    >>> x = jnp.array([0.0, 1.0, 0.0]).reshape(1, 1, 3, 1)
    >>> gaussian_blur(x, (1, 3), jnp.full((1, 2), 1e-3), axes=(1, 2)).ravel().tolist()
    [0.0, 1.0, 0.0]
    """
    for axis, size, sigma in zip(axes, sizes, (sigmas[:, 0], sigmas[:, 1]), strict=True):
        weights = gaussian_weights(size, sigma.astype(jnp.float32)).astype(images.dtype)
        images = _weighted(images, [per_image(weights[:, i], images) for i in range(size)], axis)
    return images


def _weighted(images: jax.Array, weights: Sequence[jax.Array], axis: int) -> jax.Array:
    """Adds up weighted neighbors along an axis."""
    axis, size = axis % images.ndim, images.shape[axis]
    edges = [(0, 0, 0)] * images.ndim
    edges[axis] = (len(weights) // 2, len(weights) // 2, 0)
    padded = lax.pad(images, lax.full((), 0, images.dtype), edges)
    parts = [
        weight * lax.slice_in_dim(padded, start, start + size, axis=axis)
        for start, weight in enumerate(weights)
    ]
    return sum(parts[1:], parts[0])
