"""Random perspective transforms of images."""

from __future__ import annotations

import math
from typing import Any, Unpack

import jax
import jax.numpy as jnp

from lamina.layers.augmentation.base import Augmentation, Factor, chosen, uniform
from lamina.layers.bases.checks import check_choice, check_within
from lamina.ops.augmentation.perspective import corners_of, perspective_transform
from lamina.ops.augmentation.sampling import Interpolation, per_image
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["RandomPerspective"]


class RandomPerspective(Augmentation):
    """Moves the corners of random images in training, and all pixels by a perspective map.

    A corner (x, y), counted from the upper left one, moves to ``((1 + a) x, (1 + b) y)``, with a
    and b uniform in ``[-scale / 2, scale / 2]``. Each image is changed with a probability that is
    drawn uniformly from the range ``factor``. Outside of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        factor: float in [0, 1]: f means the range [0, f]; or a pair of floats, the range itself;
            1 by default.
        scale: float in [0, 1], twice the largest part of its size that an image grows or shrinks
            by at a corner; 1 by default.
        interpolation: ``"bilinear"`` (default) to interpolate between the four nearest pixels, or
            ``"nearest"`` for the nearest one.
        fill_value: float, value of points outside of the image; 0 by default.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.
        LaminaError: in training there is no random key, in a program.

    >>> layer = RandomPerspective((1.0, 1.0), scale=0.5)
    >>> layer(jnp.ones((2, 4, 4, 3)), training=True, rng=0).shape
    (2, 4, 4, 3)
    """

    floating_unchanged = True

    def __init__(
        self,
        factor: Factor = 1.0,
        scale: float = 1.0,
        interpolation: Interpolation = "bilinear",
        fill_value: float = 0.0,
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.factor = self._factor("factor", factor, 0, 1)
        self.scale = check_within(self, "scale", scale)
        self.interpolation: Interpolation = check_choice(
            self, "interpolation", interpolation, ("nearest", "bilinear")
        )
        self.fill_value = check_within(self, "fill_value", fill_value, -math.inf, math.inf)

    def draw(self, key: jax.Array, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        first, second = jax.random.split(key)
        batch = images.shape[0]
        moves = uniform(first, (-self.scale / 2, self.scale / 2), (batch, 4, 2))
        corners = corners_of(*self._size(images)) * (1 + moves)
        return chosen(second, self.factor, (batch,)), corners

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        return self._moved(images, drawn, self.interpolation)

    def transform_masks(self, masks: jax.Array, drawn: Any) -> jax.Array:
        return self._moved(masks, drawn, "nearest")

    def _moved(self, images: jax.Array, drawn: Any, interpolation: Interpolation) -> jax.Array:
        moved, corners = drawn
        found = perspective_transform(
            images,
            corners,
            interpolation=interpolation,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )
        return jnp.where(per_image(moved, images), found, images)
