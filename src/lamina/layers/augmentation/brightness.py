"""Changes of brightness and contrast of images."""

from __future__ import annotations

from typing import Any, Unpack

import jax

from lamina.layers.augmentation.base import Augmentation, Factor, uniform
from lamina.layers.bases.checks import check_count
from lamina.ops.augmentation.tones import brighten, contrast, equalize, stretch_contrast
from lamina.ops.images import image_axes
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["AutoContrast", "Equalization", "RandomBrightness", "RandomContrast"]


class RandomBrightness(Augmentation):
    """Adds a random number to each image in training: ``y = clip(x + a (high - low))``.

    a is uniform in the range ``factor``, and ``value_range`` is (low, high). Outside of training
    ``y = x``. Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels
    first, unchanged. Integers stay integers.

    Args:
        factor: float in [-1, 1], in sizes of the range of values: f means the range [-f, f]; or a
            pair of floats, the range itself.
        value_range: pair of floats, lowest and highest value of images, to which the result is
            clipped; (0, 255) by default.
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
    >>> layer = RandomBrightness((0.5, 0.5), value_range=(0, 1))
    >>> layer(jnp.array([[[0.25, 0.75]]]), training=True, rng=0).tolist()
    [[[0.75, 1.0]]]
    """

    floating = False

    def __init__(
        self,
        factor: Factor,
        value_range: tuple[float, float] = (0, 255),
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.factor = self._factor("factor", factor, -1, 1)
        self.value_range = self._range(value_range)

    def draw(self, key: jax.Array, images: jax.Array) -> jax.Array:
        low, high = self.value_range
        return uniform(key, self.factor, images.shape[:1]) * (high - low)

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        return brighten(images, drawn, self.value_range)


class RandomContrast(Augmentation):
    """Scales the deviations from the mean at random: ``y = clip(a (x - mean(x)) + mean(x))``.

    In training, a is uniform in ``[1 - lower, 1 + upper]`` and drawn for each image; the mean is
    that of a channel of an image. Outside of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        factor: float in [0, 1]: f means a in [1, 1 + f]; or a pair of floats (lower, upper).
        value_range: pair of floats, lowest and highest value of images, to which the result is
            clipped; (0, 255) by default.
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
    >>> layer = RandomContrast((-1.0, 1.0))
    >>> layer(jnp.array([[[10.0], [20.0]]]), training=True, rng=0).ravel().tolist()
    [5.0, 25.0]
    """

    def __init__(
        self,
        factor: Factor,
        value_range: tuple[float, float] = (0, 255),
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.factor = self._factor("factor", factor, 0, 1)
        self.value_range = self._range(value_range)

    def draw(self, key: jax.Array, images: jax.Array) -> jax.Array:
        lower, upper = self.factor
        return uniform(key, (1 - lower, 1 + upper), images.shape[:1])

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        return contrast(images, drawn, self.value_range, axes=image_axes(self.data_format))


class AutoContrast(Augmentation):
    """Scales each channel of an image to the whole range of values.

    ``y = low + (x - min(x)) / (max(x) - min(x)) (high - low)``, in training and outside; a constant
    channel stays as it is.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        value_range: pair of floats, lowest and highest value of images; (0, 255) by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.

    >>> import jax.numpy as jnp
    >>> AutoContrast()(jnp.array([[[10.0], [20.0]]])).ravel().tolist()
    [0.0, 255.0]
    """

    always = True
    random = False

    def __init__(
        self,
        value_range: tuple[float, float] = (0, 255),
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, **options)
        self.value_range = self._range(value_range)

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        return stretch_contrast(images, self.value_range, axes=image_axes(self.data_format))


class Equalization(Augmentation):
    """Equalizes the histogram of each channel of each image in training.

    ``y = low + (high - low) (F(x) - F(min(x))) / (1 - F(min(x)))``, rounded to 256 levels, where
    F(x) is the part of the channel's pixels whose bin is not above that of x. Outside of training
    ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        value_range: pair of floats, lowest and highest value of images; (0, 255) by default.
        bins: positive integer, number of bins of the histogram; 256 by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.

    >>> import jax.numpy as jnp
    >>> x = jnp.array([10.0, 20.0, 21.0]).reshape(1, 3, 1)
    >>> Equalization()(x, training=True).ravel().tolist()
    [0.0, 128.0, 255.0]
    """

    random = False

    def __init__(
        self,
        value_range: tuple[float, float] = (0, 255),
        bins: int = 256,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, **options)
        self.value_range = self._range(value_range)
        self.bins = check_count(self, "bins", bins)

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        axes = image_axes(self.data_format)
        return equalize(images, self.bins, self.value_range, axes=axes)
