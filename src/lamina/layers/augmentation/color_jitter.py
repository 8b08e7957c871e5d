"""Random changes of brightness, contrast, saturation and hue in one layer."""

from __future__ import annotations

from typing import Any, Unpack

import jax

from lamina.layers.augmentation.base import Augmentation, Factor
from lamina.layers.augmentation.brightness import RandomBrightness, RandomContrast
from lamina.layers.augmentation.color import RandomHue, RandomSaturation
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["RandomColorJitter"]


class RandomColorJitter(Augmentation):
    """Changes brightness, contrast, saturation and hue of RGB images at random in training.

    ``y = hue(saturation(contrast(brightness(x))))``, of :class:`RandomBrightness`,
    :class:`RandomContrast`, :class:`RandomSaturation` and :class:`RandomHue`, without those whose
    factor is None. Outside of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        value_range: pair of floats, lowest and highest value of images; (0, 255) by default.
        brightness_factor: float or pair of floats, ``factor`` of :class:`RandomBrightness`; None by
            default.
        contrast_factor: float or pair of floats, ``factor`` of :class:`RandomContrast`; None by
            default.
        saturation_factor: float or pair of floats, ``factor`` of :class:`RandomSaturation`; None by
            default.
        hue_factor: float or pair of floats, ``factor`` of :class:`RandomHue`; None by default.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes or channels.
        LaminaError: in training there is no random key, in a program.

    >>> import jax.numpy as jnp
    >>> layer = RandomColorJitter((0, 1), brightness_factor=(0.5, 0.5), hue_factor=(1.0, 1.0))
    >>> layer(jnp.array([[[0.5, 0.0, 0.0]]]), training=True, rng=0).tolist()
    [[[0.5, 1.0, 1.0]]]
    """

    random = False

    def __init__(
        self,
        value_range: tuple[float, float] = (0, 255),
        brightness_factor: Factor | None = None,
        contrast_factor: Factor | None = None,
        saturation_factor: Factor | None = None,
        hue_factor: Factor | None = None,
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.value_range = self._range(value_range)
        self.brightness_factor, self.contrast_factor = brightness_factor, contrast_factor
        self.saturation_factor, self.hue_factor = saturation_factor, hue_factor
        shared: dict[str, Any] = {
            "value_range": self.value_range,
            "seed": seed,
            "data_format": self.data_format,
        }
        self.random_brightness = _made(RandomBrightness, brightness_factor, shared)
        self.random_contrast = _made(RandomContrast, contrast_factor, shared)
        self.random_saturation = _made(RandomSaturation, saturation_factor, shared)
        self.random_hue = _made(RandomHue, hue_factor, shared)

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        return self._stepped(images, training=True)

    def _unchanged(self, images: jax.Array) -> jax.Array:
        return self._stepped(images, training=False)  # a plan holds the same calls in both modes

    def _stepped(self, images: jax.Array, *, training: bool) -> jax.Array:
        steps = self.random_brightness, self.random_contrast, self.random_saturation
        for step in (*steps, self.random_hue):
            images = images if step is None else step(images, training=training)
        return images


def _made(kind: Any, factor: Factor | None, options: dict[str, Any]) -> Augmentation | None:
    return None if factor is None else kind(factor, **options)
