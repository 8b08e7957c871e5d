"""Random changes of the colors of RGB images."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from lamina.layers.augmentation.base import Augmentation, Factor, uniform
from lamina.layers.bases.checks import check_within
from lamina.ops.augmentation.color import fade, grayscale, saturate, turn_hue
from lamina.ops.augmentation.sampling import per_image
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["RandomColorDegeneration", "RandomGrayscale", "RandomHue", "RandomSaturation"]

_LEAST = 1e-7  # keeps the factor of a saturation of 1 finite


class Colored(Augmentation):
    """The base of random changes of the colors of RGB images.

    Args:
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        seed: int, mixed into the random key; None by default.
        **options: as for every :class:`lamina.Layer`.
    """

    channels = (3,)

    @property
    def _axis(self) -> int:
        return -1 if self.data_format == "channels_last" else -3


class RandomColorDegeneration(Colored):
    """Fades the colors of RGB images by random amounts in training: ``y = clip(x + a (g - x))``.

    g is the luma ``0.2989 red + 0.587 green + 0.114 blue``, and a is uniform in the range
    ``factor``: 0 changes nothing, 1 gives gray. Outside of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        factor: float in [0, 1]: f means the range [0, f]; or a pair of floats, the range itself.
        value_range: pair of floats, lowest and highest value of images, to which the result is
            clipped; (0, 255) by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes or channels.
        LaminaError: in training there is no random key, in a program.

    >>> layer = RandomColorDegeneration((1.0, 1.0))
    >>> layer(jnp.array([[[0.0, 100.0, 0.0]]]), training=True, rng=0).round().tolist()
    [[[59.0, 59.0, 59.0]]]
    """

    def __init__(
        self,
        factor: Factor,
        value_range: tuple[float, float] = (0, 255),
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.factor = self._factor("factor", factor, 0, 1)
        self.value_range = self._range(value_range)

    def draw(self, key: jax.Array, images: jax.Array) -> jax.Array:
        return uniform(key, self.factor, images.shape[:1])

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        return fade(images, drawn, self.value_range, self._axis)


class RandomGrayscale(Colored):
    """Replaces the channels of random images by their luma in training.

    ``y = 0.2989 red + 0.587 green + 0.114 blue`` in each channel, with probability ``factor`` for
    each image. Outside of training ``y = x``. Shapes: ``[..., height, width, channels]`` with 3
    channels or 1 for an image or a batch, or channels first, unchanged. Integers stay integers.

    Args:
        factor: float in [0, 1], probability that an image is changed; 0.5 by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes or channels.
        LaminaError: in training there is no random key, in a program.

    >>> import jax.numpy as jnp
    >>> layer = RandomGrayscale(1.0)
    >>> layer(jnp.array([[[100, 100, 0]]]), training=True, rng=0).tolist()
    [[[88, 88, 88]]]
    """

    channels = (1, 3)
    floating = False

    def __init__(
        self,
        factor: float = 0.5,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.factor = check_within(self, "factor", factor)

    def draw(self, key: jax.Array, images: jax.Array) -> jax.Array:
        return jax.random.bernoulli(key, self.factor, images.shape[:1])

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        return jnp.where(per_image(drawn, images), grayscale(images, self._axis), images)


class RandomHue(Colored):
    """Turns the hue of RGB images by random amounts in training.

    The hue h, in [0, 1], becomes ``(h + s a / 2) mod 1``, with a uniform in the range ``factor``,
    and s a random sign. Outside of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        factor: float in [0, 1], in half turns: f means the range [0, f]; or a pair of floats, the
            range itself.
        value_range: pair of floats, lowest and highest value of images, to which the result is
            clipped; (0, 255) by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes or channels.
        LaminaError: in training there is no random key, in a program.

    >>> layer = RandomHue((1.0, 1.0), value_range=(0, 1))
    >>> layer(jnp.array([[[1.0, 0.0, 0.0]]]), training=True, rng=0).tolist()
    [[[0.0, 1.0, 1.0]]]
    """

    def __init__(
        self,
        factor: Factor,
        value_range: tuple[float, float] = (0, 255),
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.factor = self._factor("factor", factor, 0, 1)
        self.value_range = self._range(value_range)

    def draw(self, key: jax.Array, images: jax.Array) -> jax.Array:
        first, second = jax.random.split(key)
        signs = jax.random.rademacher(first, images.shape[:1], jnp.float32)
        return signs * uniform(second, self.factor, images.shape[:1]) / 2

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        return turn_hue(images, drawn, self.value_range, self._axis)


class RandomSaturation(Colored):
    """Scales the saturation of RGB images at random in training.

    The saturation s, in [0, 1], becomes ``clip(s a / (1 - a))``, with a uniform in the range
    ``factor``: 0 gives gray, 0.5 changes nothing. Outside of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        factor: float in [-1, 1]: f means the range [-f, f]; or a pair of floats, the range itself.
        value_range: pair of floats, lowest and highest saturation; (0, 255) by default, as in
            Keras, though 1 is the highest saturation of a color with channels above 0.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes or channels.
        LaminaError: in training there is no random key, in a program.

    >>> layer = RandomSaturation((0.0, 0.0), value_range=(0, 1))
    >>> layer(jnp.array([[[0.25, 0.5, 0.5]]]), training=True, rng=0).tolist()
    [[[0.5, 0.5, 0.5]]]
    """

    def __init__(
        self,
        factor: Factor,
        value_range: tuple[float, float] = (0, 255),
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.factor = self._factor("factor", factor, -1, 1)
        self.value_range = self._range(value_range)

    def draw(self, key: jax.Array, images: jax.Array) -> jax.Array:
        share = uniform(key, self.factor, images.shape[:1])
        return share / (1 - share + _LEAST)

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        return saturate(images, drawn, self.value_range, self._axis)
