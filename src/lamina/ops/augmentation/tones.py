"""Changes of the tones of images: brightness, contrast, histograms, inversion, levels."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from lamina.ops.augmentation.compiled import one_program
from lamina.ops.augmentation.sampling import per_image

__all__ = [
    "Range",
    "brighten",
    "contrast",
    "equalize",
    "invert",
    "posterize",
    "rescale",
    "solarize",
    "stretch_contrast",
]

Range = tuple[float, float]


def rescale(images: jax.Array, start: Range, end: Range) -> jax.Array:
    """Map one range of values to another: ``y = d + (x - a) (e - d) / (b - a)``.

    Args:
        images: ``[...]``, floating.
        start: the range (a, b).
        end: the range (d, e).

    Returns:
        The shape and dtype of the images.

    >>> rescale(jnp.array([0.0, 0.5]), (0, 1), (-1, 1)).tolist()
    [-1.0, 0.0]
    """
    if start == end:
        return images
    (a, b), (d, e) = start, end
    return (images - a) / (b - a) * (e - d) + d


@one_program("value_range")
def brighten(images: jax.Array, amounts: jax.Array, value_range: Range) -> jax.Array:
    """Add a number to each image: ``y = clip(x + a)``.

    Args:
        images: ``[batch, ...]``; of integers, a is rounded towards 0.
        amounts: ``[batch]``, the numbers a.
        value_range: lowest and highest value of the result.

    Returns:
        The shape and dtype of the images.

    >>> brighten(jnp.array([[100, 200]], "uint8"), jnp.array([99.5]), (0, 255)).tolist()
    [[199, 255]]
    """
    amounts = per_image(amounts, images)
    if jnp.issubdtype(images.dtype, jnp.floating):
        return jnp.clip(images + amounts, *value_range)
    found = jnp.clip(images.astype(jnp.int32) + amounts.astype(jnp.int32), *value_range)
    return found.astype(images.dtype)


@one_program("value_range", "axes")
def contrast(
    images: jax.Array, factors: jax.Array, value_range: Range, *, axes: tuple[int, ...]
) -> jax.Array:
    """Scale the deviations from the mean of each channel: ``y = clip(a (x - mean) + mean)``.

    Args:
        images: ``[batch, ...]``, floating.
        factors: ``[batch]``, the numbers a.
        value_range: lowest and highest value of the result.
        axes: the axes of height and width.

    Returns:
        The shape and dtype of the images.

    >>> x = jnp.array([10.0, 20.0]).reshape(1, 1, 2, 1)
    >>> contrast(x, jnp.array([2.0]), (0, 255), axes=(1, 2)).ravel().tolist()
    [5.0, 25.0]
    """
    mean = jnp.mean(images, axes, keepdims=True)
    return jnp.clip((images - mean) * per_image(factors, images) + mean, *value_range)


@one_program("value_range", "axes")
def stretch_contrast(images: jax.Array, value_range: Range, *, axes: tuple[int, ...]) -> jax.Array:
    """Scale each channel to a range of values; a constant channel stays as it is.

    Args:
        images: ``[batch, ...]``, floating.
        value_range: lowest and highest value of the result.
        axes: the axes of height and width.

    Returns:
        The shape and dtype of the images.

    >>> x = jnp.array([10.0, 20.0]).reshape(1, 1, 2, 1)
    >>> stretch_contrast(x, (0, 1), axes=(1, 2)).ravel().tolist()
    [0.0, 1.0]
    """
    least, most = (find(images, axes, keepdims=True) for find in (jnp.min, jnp.max))
    size = most - least
    scaled = jnp.clip((images - least) / jnp.where(size > 0, size, 1), 0, 1)
    return jnp.where(size > 0, rescale(scaled, (0, 1), value_range), images)


@one_program("bins", "value_range", "axes")
def equalize(
    images: jax.Array, bins: int, value_range: Range, *, axes: tuple[int, ...]
) -> jax.Array:
    """Equalize the histogram of each channel of each image.

    Args:
        images: ``[batch, height, width, channels]``, or channels first; floating.
        bins: the number of bins of the histogram.
        value_range: lowest and highest value of the images.
        axes: the axes of height and width.

    Returns:
        The shape and dtype of the images.

    >>> x = jnp.array([10.0, 20.0, 21.0]).reshape(1, 1, 3, 1)
    >>> equalize(x, 256, (0, 255), axes=(1, 2)).ravel().tolist()
    [0.0, 128.0, 255.0]
    """
    last = jnp.moveaxis(images, axes, (-2, -1))
    levels = rescale(last, value_range, (0, 255)).reshape(-1, last.shape[-2] * last.shape[-1])
    found = jax.vmap(partial(_equalized, bins=bins))(levels)
    found = rescale(found, (0, 255), value_range).astype(images.dtype).reshape(last.shape)
    return jnp.moveaxis(found, (-2, -1), axes)


def _equalized(channel: jax.Array, bins: int) -> jax.Array:
    """Equalizes ``[pixels]`` in [0, 255]."""
    place = jnp.clip(channel / 255 * (bins - 1), 0, bins - 1).astype(jnp.int32)
    counts = jnp.zeros(bins, jnp.int32).at[place].add(1)
    below = jnp.cumsum(counts)
    first = counts[jnp.argmax(counts > 0)]
    rest = channel.size - first
    table = jnp.round((below - first).astype(jnp.float32) * 255 / jnp.maximum(rest, 1))
    equalized = jnp.clip(table, 0, 255).astype(channel.dtype)[place]
    return jnp.where(rest > 0, equalized, channel)


def invert(images: jax.Array, chosen: jax.Array, most: float) -> jax.Array:
    """Invert some images of a batch: ``y = most - x``.

    Args:
        images: ``[batch, ...]``, floating.
        chosen: ``[batch]``, bool, which images to invert.
        most: the highest value of images.

    Returns:
        The shape and dtype of the images.

    >>> invert(jnp.array([[1.0], [2.0]]), jnp.array([True, False]), 255).tolist()
    [[254.0], [2.0]]
    """
    return jnp.where(per_image(chosen, images), most - images, images)


@one_program("value_range")
def posterize(images: jax.Array, bits: jax.Array, value_range: Range) -> jax.Array:
    """Keep the highest bits of 8-bit values.

    Args:
        images: ``[batch, ...]``, floating.
        bits: ``[batch]``, integers in [1, 8], number of bits to keep.
        value_range: lowest and highest value of the images.

    Returns:
        The shape and dtype of the images.

    >>> posterize(jnp.array([[100.0, 200.0]]), jnp.array([1]), (0, 255)).tolist()
    [[0.0, 128.0]]
    """
    levels = rescale(images, value_range, (0, 255)).astype(jnp.uint8)
    dropped = per_image((8 - bits).astype(jnp.uint8), images)
    return rescale((levels >> dropped << dropped).astype(images.dtype), (0, 255), value_range)


@one_program("value_range")
def solarize(
    images: jax.Array, additions: jax.Array, thresholds: jax.Array, value_range: Range
) -> jax.Array:
    """Add a number to each image, and invert values that reach a threshold.

    Args:
        images: ``[batch, ...]``, floating.
        additions: ``[batch]``, numbers to add, for values in [0, 255].
        thresholds: ``[batch]``, thresholds, for values in [0, 255].
        value_range: lowest and highest value of the images.

    Returns:
        The shape and dtype of the images.

    >>> x = jnp.array([[10.0, 100.0]])
    >>> solarize(x, jnp.array([5.0]), jnp.array([50.0]), (0, 255)).tolist()
    [[15.0, 150.0]]
    """
    levels = rescale(images, value_range, (0, 255))
    levels = jnp.clip(levels + per_image(additions, images), 0, 255)
    levels = jnp.where(levels < per_image(thresholds, images), levels, 255 - levels)
    return rescale(levels, (0, 255), value_range)
