"""Random crops of images."""

from __future__ import annotations

from typing import Any, Unpack

import jax

from lamina.layers.augmentation.base import Augmentation
from lamina.layers.bases.checks import check_count
from lamina.ops.augmentation.geometry import crop_at
from lamina.ops.images import crop_to_aspect, resize
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["RandomCrop"]


class RandomCrop(Augmentation):
    """Crops images at a random place in training, the same place for all images of a batch.

    ``y[i, j] = x[r + i, c + j]``, with r and c uniform over all places. Outside of training, or if
    an image is not larger than the output in both axes, the largest centered window with the
    output's aspect ratio is resized to the output instead.
    Shapes: ``[..., height', width', channels] -> [..., height, width, channels]`` for an image or a
    batch, or channels first. Integers become floats.

    Args:
        height: positive integer, height of the output in pixels.
        width: positive integer, width of the output in pixels.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.
        LaminaError: in training there is no random key, in a program.

    >>> import jax.numpy as jnp
    >>> layer = RandomCrop(1, 2)
    >>> layer(jnp.arange(8.0).reshape(2, 4, 1), training=True, rng=0).shape
    (1, 2, 1)
    """

    floating_unchanged = True

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.height = check_count(self, "height", height)
        self.width = check_count(self, "width", width)

    def draw(self, key: jax.Array, images: jax.Array) -> Any:
        height, width = self._size(images)
        if height <= self.height or width <= self.width:
            return None
        return tuple(
            jax.random.randint(part, (), 0, most + 1)
            for part, most in zip(
                jax.random.split(key), (height - self.height, width - self.width), strict=True
            )
        )

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        if drawn is None:
            return self._unchanged(images)
        size = (self.height, self.width)
        return crop_at(images, drawn, size, data_format=self.data_format)

    def _unchanged(self, images: jax.Array) -> jax.Array:
        size, form = (self.height, self.width), self.data_format
        images = crop_to_aspect(self._float(images), size, data_format=form)
        return images if self._size(images) == size else resize(images, size, data_format=form)

    def transform_masks(self, masks: jax.Array, drawn: Any) -> jax.Array:
        return self._unchanged_masks(masks) if drawn is None else self.transform(masks, drawn)

    def _unchanged_masks(self, masks: jax.Array) -> jax.Array:
        size, form = (self.height, self.width), self.data_format
        masks = crop_to_aspect(masks, size, data_format=form)
        return resize(masks, size, "nearest", data_format=form)
