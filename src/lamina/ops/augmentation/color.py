"""Grayscale, and hue and saturation of RGB images."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from lamina.ops.arrays import float_dtype
from lamina.ops.augmentation.compiled import one_program
from lamina.ops.augmentation.sampling import per_image
from lamina.ops.augmentation.tones import Range, rescale

__all__ = ["fade", "grayscale", "hsv_to_rgb", "rgb_to_hsv", "saturate", "turn_hue"]

_LUMA = (0.2989, 0.587, 0.114)  # ITU-R BT.601, rounded as in Keras and TensorFlow


@one_program("axis")
def grayscale(images: jax.Array, axis: int = -1) -> jax.Array:
    """Return the luma of RGB images: ``0.2989 red + 0.587 green + 0.114 blue``.

    Args:
        images: ``[...]`` with 3 channels on the axis, or 1, which is returned unchanged.
        axis: the axis of the channels; -1 by default.

    Returns:
        The shape of the images with 1 channel, and their dtype; integers are rounded down.

    >>> grayscale(jnp.array([[100, 100, 0]])).tolist()
    [[88]]
    """
    if images.shape[axis] == 1:
        return images
    dtype = float_dtype(images)
    weights = jnp.array(_LUMA, dtype)
    luma = jnp.tensordot(images.astype(dtype), weights, (axis, 0))
    return jnp.expand_dims(luma, axis).astype(images.dtype)


@one_program("value_range", "axis")
def fade(images: jax.Array, amounts: jax.Array, value_range: Range, axis: int = -1) -> jax.Array:
    """Move images towards their luma: ``y = clip(x + a (luma(x) - x))``.

    Args:
        images: ``[batch, ...]`` with 3 channels on the axis, floating.
        amounts: ``[batch]``, the numbers a: 0 changes nothing, 1 gives gray.
        value_range: lowest and highest value of the result.
        axis: the axis of the channels; -1 by default.

    Returns:
        The shape and dtype of the images.

    >>> fade(jnp.array([[0.0, 0.0, 100.0]]), jnp.array([0.5]), (0, 255)).astype(int).tolist()
    [[5, 5, 55]]
    """
    amounts = per_image(amounts, images)
    return jnp.clip(images + amounts * (grayscale(images, axis) - images), *value_range)


def rgb_to_hsv(images: jax.Array, axis: int = -1) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return hue, saturation and value of RGB images.

    With M and m the largest and the smallest channel, value is M and saturation is (M - m) / M.
    Hue is ``(g - b) / 6 (M - m)`` if red is M, else ``(b - r) / 6 (M - m) + 1/3`` if green is,
    else ``(r - g) / 6 (M - m) + 2/3``, modulo 1.

    Args:
        images: ``[...]`` with 3 channels on the axis, floating.
        axis: the axis of the channels; -1 by default.

    Returns:
        Three arrays without the axis: hue and saturation in [0, 1], and value in the unit of the
        images.

    >>> [float(part) for part in rgb_to_hsv(jnp.array([0.0, 0.5, 0.5]))]
    [0.5, 1.0, 0.5]
    """
    red, green, blue = (jnp.take(images, channel, axis) for channel in range(3))
    value = jnp.max(images, axis)
    size = value - jnp.min(images, axis)
    sixths = 6 * jnp.where(size > 0, size, 1)
    hue = jnp.where(value == green, (blue - red) / sixths + 1 / 3, (red - green) / sixths + 2 / 3)
    hue = jnp.where(value == red, (green - blue) / sixths, hue)
    hue = jnp.where(size > 0, hue, 0)
    saturation = jnp.where(value > 0, size / jnp.where(value > 0, value, 1), 0)
    return jnp.where(hue < 0, hue + 1, hue), saturation, value


def hsv_to_rgb(
    hue: jax.Array, saturation: jax.Array, value: jax.Array, axis: int = -1
) -> jax.Array:
    """Return RGB images of a hue, saturation and value, the inverse of `rgb_to_hsv`.

    A channel is ``v (1 - s + s w)``, where w falls linearly from 1 to 0 with the distance of the
    hue from the channel's own, between 1/6 and 1/3.

    Args:
        hue: ``[...]``, floating, modulo 1.
        saturation: the same shape.
        value: the same shape.
        axis: the axis of the channels in the result; -1 by default.

    Returns:
        Images with 3 channels on the axis.

    >>> hsv_to_rgb(jnp.array(0.5), jnp.array(1.0), jnp.array(0.5)).tolist()
    [0.0, 0.5, 0.5]
    """
    sixths = jnp.mod(hue, 1) * 6
    weights = (jnp.abs(sixths - 3) - 1, 2 - jnp.abs(sixths - 2), 2 - jnp.abs(sixths - 4))
    shares = [value * (1 - saturation + saturation * jnp.clip(w, 0, 1)) for w in weights]
    return jnp.stack(shares, axis)


@one_program("value_range", "axis")
def turn_hue(images: jax.Array, turns: jax.Array, value_range: Range, axis: int = -1) -> jax.Array:
    """Turn the hue of RGB images.

    Args:
        images: ``[batch, ...]`` with 3 channels on the axis, floating.
        turns: ``[batch]``, numbers added to the hue, modulo 1.
        value_range: lowest and highest value of the images, to which the result is clipped.
        axis: the axis of the channels; -1 by default.

    Returns:
        The shape and dtype of the images.

    >>> x = jnp.array([[255.0, 0.0, 0.0]])
    >>> turn_hue(x, jnp.array([0.5]), (0, 255)).tolist()
    [[0.0, 255.0, 255.0]]
    """
    hue, saturation, value = rgb_to_hsv(rescale(images, value_range, (0, 1)), axis)
    made = hsv_to_rgb(hue + per_image(turns, hue), saturation, value, axis)
    return rescale(jnp.clip(made, 0, 1), (0, 1), value_range)


@one_program("value_range", "axis")
def saturate(
    images: jax.Array, factors: jax.Array, value_range: Range, axis: int = -1
) -> jax.Array:
    """Multiply the saturation of RGB images: ``s' = clip(a s)``.

    Args:
        images: ``[batch, ...]`` with 3 channels on the axis, floating.
        factors: ``[batch]``, the numbers a.
        value_range: lowest and highest saturation.
        axis: the axis of the channels; -1 by default.

    Returns:
        The shape and dtype of the images.

    >>> saturate(jnp.array([[0.25, 0.5, 0.5]]), jnp.array([0.0]), (0, 1)).tolist()
    [[0.5, 0.5, 0.5]]
    """
    hue, saturation, value = rgb_to_hsv(images, axis)
    saturation = jnp.clip(saturation * per_image(factors, saturation), *value_range)
    return hsv_to_rgb(hue, saturation, value, axis)
