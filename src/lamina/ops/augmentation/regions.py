"""Boxes within images, and images mixed with one another."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from lamina.ops.augmentation.compiled import one_program
from lamina.ops.augmentation.sampling import per_image
from lamina.ops.spatial import DataFormat

__all__ = ["Boxes", "beta_weights", "box_masks", "mix"]


class Boxes(NamedTuple):
    """A box in each image of a batch: ``top <= row < bottom`` and ``left <= column < right``.

    Args:
        left: ``[batch]``, in pixels.
        right: ``[batch]``, in pixels.
        top: ``[batch]``, in pixels.
        bottom: ``[batch]``, in pixels.
    """

    left: jax.Array
    right: jax.Array
    top: jax.Array
    bottom: jax.Array

    @classmethod
    def within(cls, shares: jax.Array, places: jax.Array, height: int, width: int) -> Boxes:
        """Boxes of a size, at a place.

        Args:
            shares: ``[batch, 2]``, widths and heights of the boxes, in those of the image.
            places: ``[batch, 2]``, in [0, 1]: 0 is left or top, 1 is right or bottom.
            height: height of the images in pixels.
            width: width of the images in pixels.

        Returns:
            The boxes.

        >>> Boxes.within(jnp.array([[0.5, 1.0]]), jnp.array([[1.0, 0.0]]), 4, 8).left.tolist()
        [4.0]
        """
        size = jnp.array([width, height], jnp.float32)
        lengths = shares * size
        start = places * (size - lengths)
        end = start + lengths
        return cls(start[:, 0], end[:, 0], start[:, 1], end[:, 1])

    def area(self) -> jax.Array:
        """The areas ``[batch]`` in pixels, which need not be integers."""
        return (self.right - self.left) * (self.bottom - self.top)


@one_program("height", "width", "data_format")
def box_masks(
    boxes: Boxes, height: int, width: int, *, data_format: DataFormat = "channels_last"
) -> jax.Array:
    """Return which pixels are in a box.

    Args:
        boxes: a box for each image.
        height: height of the images in pixels.
        width: width of the images in pixels.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        ``[batch, height, width, 1]``, or ``[batch, 1, height, width]``, bool.

    >>> box = Boxes(jnp.array([0.5]), jnp.array([2.0]), jnp.array([0.0]), jnp.array([1.0]))
    >>> box_masks(box, 1, 3).ravel().tolist()
    [False, True, False]
    """
    left, right, top, bottom = (edge[:, None, None] for edge in boxes)
    rows, columns = jnp.arange(height)[:, None], jnp.arange(width)
    inside = (columns >= left) & (columns < right) & (rows >= top) & (rows < bottom)
    return jnp.expand_dims(inside, -1 if data_format == "channels_last" else 1)


@one_program()
def mix(arrays: jax.Array, order: jax.Array, weights: jax.Array) -> jax.Array:
    """Mix each array of a batch with another one: ``y[i] = w[i] x[i] + (1 - w[i]) x[order[i]]``.

    Args:
        arrays: ``[batch, ...]``; integers become floats.
        order: ``[batch]``, integers.
        weights: ``[batch]``, the numbers w.

    Returns:
        The shape of the arrays.

    >>> mix(jnp.array([0, 8]), jnp.array([1, 0]), jnp.array([0.75, 0.5])).tolist()
    [2.0, 4.0]
    """
    weights = per_image(weights, arrays)
    return weights * arrays + (1 - weights) * arrays[order]


@one_program()
def beta_weights(key: jax.Array, alpha: jax.Array) -> jax.Array:
    """Draw from Beta(alpha, alpha), as g / (g + g') for two draws from a gamma distribution.

    Args:
        key: a jax.random key; the same key gives the same numbers.
        alpha: ``[batch]``, positive.

    Returns:
        ``[batch]``, float32, in [0, 1].

    >>> f"{beta_weights(jax.random.key(0), jnp.full(10000, 2.0)).mean():.1f}"
    '0.5'
    """
    one, other = jax.random.loggamma(key, alpha, (2, *alpha.shape), jnp.float32)
    return jax.nn.sigmoid(one - other)
