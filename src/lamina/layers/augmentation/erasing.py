"""Random erasing of parts of images."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from lamina.layers.augmentation.base import Augmentation, Factor, chosen, uniform
from lamina.layers.bases.errors import bad_option
from lamina.ops.augmentation.regions import Boxes, box_masks
from lamina.ops.augmentation.sampling import channels_back, per_image
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["RandomErasing"]


class RandomErasing(Augmentation):
    """Replaces a random box of random images in training.

    The box has ``sqrt(a) width`` and ``sqrt(b) height``, with a and b uniform in the range
    ``scale``, and a uniform place. Its values are ``fill_value``, or normal noise of standard
    deviation high, clipped to ``value_range`` = (low, high). Each image is changed with a
    probability that is drawn uniformly from the range ``factor``. Outside of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        factor: float in [0, 1]: f means the range [0, f]; or a pair of floats, the range itself;
            1 by default.
        scale: float in [0, 1], in areas of the image: f means the range [0, f]; or a pair of
            floats, the range itself; (0.02, 0.33) by default.
        fill_value: float, or a list of 3 floats, one for each channel; None (default) for noise.
        value_range: pair of floats, lowest and highest value of images; (0, 255) by default.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.
        LaminaError: in training there is no random key, in a program.

    Source: Zhong et al., Random erasing data augmentation, arXiv 1708.04896.

    >>> layer = RandomErasing((1.0, 1.0), scale=(0.25, 0.25), fill_value=0)
    >>> layer(jnp.ones((4, 4, 3)), training=True, rng=0).sum() < 48
    Array(True, dtype=bool)
    """

    floating_unchanged = True

    def __init__(
        self,
        factor: Factor = 1.0,
        scale: Factor = (0.02, 0.33),
        fill_value: float | tuple[float, float, float] | list[float] | None = None,
        value_range: tuple[float, float] = (0, 255),
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.factor = self._factor("factor", factor, 0, 1)
        self.scale = self._within("scale", scale, 0, 1, 0)
        self.value_range = self._range(value_range)
        self.fill_value = fill_value
        if fill_value is not None:
            several = isinstance(fill_value, list | tuple)
            values = fill_value if several else [fill_value]
            wanted = "a number, a list of 3 numbers, or None"
            if len(self._numbers("fill_value", values, wanted)) != (3 if several else 1):
                raise bad_option(self, "fill_value", fill_value, wanted)
        self.channels = (3,) if isinstance(fill_value, list | tuple) else ()

    def draw(self, key: jax.Array, images: jax.Array) -> tuple[jax.Array, Boxes, jax.Array]:
        first, second, third, fourth = jax.random.split(key, 4)
        batch = images.shape[0]
        shares = jnp.sqrt(uniform(first, self.scale, (batch, 2)))
        places = jax.random.uniform(second, (batch, 2))
        boxes = Boxes.within(shares, places, *self._size(images))
        return chosen(third, self.factor, (batch,)), boxes, self._fill(fourth, images)

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        erased, boxes, fill = drawn
        masks = box_masks(boxes, *self._size(images), data_format=self.data_format)
        return jnp.where(masks & per_image(erased, images), fill, images)

    def _fill(self, key: jax.Array, images: jax.Array) -> jax.Array:
        if self.fill_value is None:
            fill = jax.random.normal(key, images.shape, images.dtype) * self.value_range[1]
        else:
            values = jnp.asarray(self.fill_value, images.dtype)
            fill = channels_back(values.reshape(1, 1, 1, -1), self.data_format)
        return jnp.clip(fill, *self.value_range)
