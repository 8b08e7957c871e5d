"""Random flips of images."""

from __future__ import annotations

from typing import Any, Unpack

import jax

from lamina.layers.augmentation.base import Augmentation
from lamina.layers.bases.checks import check_choice
from lamina.ops.augmentation.geometry import flip
from lamina.ops.images import image_axes
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["RandomFlip"]

_MODES = ("horizontal", "vertical", "horizontal_and_vertical")


class RandomFlip(Augmentation):
    """Flips images at random in training: each with probability 1/2.

    ``y[i, j] = x[i, width - 1 - j]`` for a horizontal flip, ``x[height - 1 - i, j]`` for a vertical
    one; in mode ``"horizontal_and_vertical"`` an image is flipped along both axes or along neither.
    Outside of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        mode: ``"horizontal"``, ``"vertical"`` or ``"horizontal_and_vertical"`` (default).
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
    >>> x = jnp.tile(jnp.array([0.0, 1.0]), (20, 1, 1)).reshape(20, 1, 2, 1)
    >>> y = RandomFlip("horizontal")(x, training=True, rng=0)
    >>> sorted(set(map(tuple, y[:, 0, :, 0].tolist())))
    [(0.0, 1.0), (1.0, 0.0)]
    """

    floating_unchanged = True

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.mode = check_choice(self, "mode", mode, _MODES)

    def draw(self, key: jax.Array, images: jax.Array) -> jax.Array:
        return jax.random.bernoulli(key, 0.5, images.shape[:1])

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        vertical, horizontal = image_axes(self.data_format)
        axes = {"horizontal": (horizontal,), "vertical": (vertical,)}
        return flip(images, drawn, axes.get(self.mode, (vertical, horizontal)))

    def transform_masks(self, masks: jax.Array, drawn: Any) -> jax.Array:
        return self.transform(masks, drawn)
