"""Random elastic deformations of images."""

from __future__ import annotations

import math
from typing import Any, Unpack

import jax
import jax.numpy as jnp

from lamina.layers.augmentation.base import Augmentation, Factor, chosen, uniform
from lamina.layers.bases.checks import check_choice, check_within
from lamina.ops.augmentation.elastic import elastic_transform
from lamina.ops.augmentation.sampling import FillMode, Interpolation, per_image
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["RandomElasticTransform"]

_FILL_MODES = ("reflect", "mirror", "wrap", "constant", "nearest")
_ALPHA, _SIGMA = 0.1, 0.05  # in sizes of the image, for a scale of 1


class RandomElasticTransform(Augmentation):
    """Deforms random images in training, as if they were of rubber.

    ``y[i, j] = x[i + d, j + d]`` with ``d = a s smooth(n)[i, j]``: normal noise n of standard
    deviation 1, smoothed by a Gaussian filter of standard deviation s. For one number f of the
    batch, uniform in the range ``scale``, a is ``0.1 f max(height, width)`` and s is
    ``0.05 f min(height, width)``, in pixels. Each image is changed with a probability that is drawn
    uniformly from the range ``factor``. The result is clipped to ``value_range``. Outside of
    training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        factor: float in [0, 1]: f means the range [0, f]; or a pair of floats, the range itself;
            1 by default.
        scale: float in [0, 1]: f means the range [0, f]; or a pair of floats, the range itself;
            1 by default.
        interpolation: ``"bilinear"`` (default) to interpolate between the four nearest pixels, or
            ``"nearest"`` for the nearest one.
        fill_mode: values of pixels outside of the image: ``"reflect"`` (default) for the image
            mirrored at its edges, ``"mirror"`` for the same with edges that are not repeated,
            ``"wrap"`` for the image repeated, ``"nearest"`` for the nearest pixel, ``"constant"``
            for ``fill_value``.
        fill_value: float, value of pixels outside if ``fill_mode`` is ``"constant"``; 0 by default.
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

    Source: Simard et al., Best practices for convolutional neural networks, ICDAR 2003.

    >>> layer = RandomElasticTransform((1.0, 1.0))
    >>> layer(jnp.ones((2, 8, 8, 3)), training=True, rng=0).shape
    (2, 8, 8, 3)
    """

    floating_unchanged = True

    def __init__(
        self,
        factor: Factor = 1.0,
        scale: Factor = 1.0,
        interpolation: Interpolation = "bilinear",
        fill_mode: FillMode = "reflect",
        fill_value: float = 0.0,
        value_range: tuple[float, float] = (0, 255),
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.factor = self._factor("factor", factor, 0, 1)
        self.scale = self._factor("scale", scale, 0, 1)
        self.interpolation: Interpolation = check_choice(
            self, "interpolation", interpolation, ("nearest", "bilinear")
        )
        self.fill_mode: FillMode = check_choice(self, "fill_mode", fill_mode, _FILL_MODES)
        self.fill_value = check_within(self, "fill_value", fill_value, -math.inf, math.inf)
        self.value_range = self._range(value_range)

    def draw(self, key: jax.Array, images: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        first, second, third = jax.random.split(key, 3)
        batch = images.shape[:1]
        noise = jax.random.normal(third, (*batch, *self._size(images)))
        return chosen(first, self.factor, batch), uniform(second, self.scale, ()), noise

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        return jnp.clip(self._moved(images, drawn, self.interpolation), *self.value_range)

    def transform_masks(self, masks: jax.Array, drawn: Any) -> jax.Array:
        return self._moved(masks, drawn, "nearest")

    def _moved(self, images: jax.Array, drawn: Any, interpolation: Interpolation) -> jax.Array:
        moved, scale, noise = drawn
        size = self._size(images)
        made = elastic_transform(
            images,
            noise,
            _ALPHA * max(size) * scale,
            _SIGMA * min(size) * scale,
            _SIGMA * min(size) * self.scale[1],
            interpolation=interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )
        return jnp.where(per_image(moved, images), made, images)
