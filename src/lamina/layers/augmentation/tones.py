"""Random inversion, posterization and solarization of images."""

from __future__ import annotations

from typing import Any, Unpack

import jax

from lamina.layers.augmentation.base import Augmentation, Factor, chosen, uniform
from lamina.layers.bases.errors import bad_option
from lamina.ops.augmentation.tones import invert, posterize, solarize
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["RandomInvert", "RandomPosterization", "Solarization"]


class RandomInvert(Augmentation):
    """Inverts random images in training: ``y = high - x``.

    ``value_range`` is (low, high). Each image is inverted with a probability that is drawn
    uniformly from the range ``factor``. Outside of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        factor: float in [0, 1]: f means the range [0, f]; or a pair of floats, the range itself;
            1 by default.
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

    >>> import jax.numpy as jnp
    >>> layer = RandomInvert((1.0, 1.0))
    >>> layer(jnp.array([[[5.0]]]), training=True, rng=0).tolist()
    [[[250.0]]]
    """

    def __init__(
        self,
        factor: Factor = 1.0,
        value_range: tuple[float, float] = (0, 255),
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.factor = self._factor("factor", factor, 0, 1)
        self.value_range = self._range(value_range)

    def draw(self, key: jax.Array, images: jax.Array) -> jax.Array:
        return chosen(key, self.factor, images.shape[:1])

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        return invert(images, drawn, self.value_range[1])


class RandomPosterization(Augmentation):
    """Keeps a random number of bits of the values of images in training.

    Values are scaled to [0, 255], of which the n highest bits of 8 are kept; n is uniform in
    ``[lower, upper)``, or n = lower if both are equal. Outside of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        factor: integer in [1, 8], the number upper, where lower is 1; or a pair (lower, upper).
        value_range: pair of floats, lowest and highest value of images; (0, 255) by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.
        LaminaError: in training there is no random key, in a program.

    >>> import jax.numpy as jnp
    >>> layer = RandomPosterization((1, 1))
    >>> layer(jnp.array([[[100.0, 200.0]]]), training=True, rng=0).tolist()
    [[[0.0, 128.0]]]
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
        lower, upper = self._within("factor", factor, 1, 8, 0)
        if lower != int(lower) or upper != int(upper):
            raise bad_option(self, "factor", factor, "an integer in [1, 8], or a pair of them")
        self.factor = max(int(lower), 1), int(upper)
        self.value_range = self._range(value_range)

    def draw(self, key: jax.Array, images: jax.Array) -> jax.Array:
        lower, upper = self.factor
        return jax.random.randint(key, images.shape[:1], lower, max(upper, lower + 1))

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        return posterize(images, drawn, self.value_range)


class Solarization(Augmentation):
    """Adds a number to images and inverts what reaches a threshold, in training.

    With values in [0, 255], ``z = clip(x + a)``, and y = z if z < t, else 255 - z. For each image,
    a / 255 is uniform in the range ``addition_factor``, and t / 255 in ``threshold_factor``. Other
    ranges of values are scaled to [0, 255] and back. Outside of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        addition_factor: float in [0, 1]: f means the range [0, f]; or a pair of such floats, the
            range itself; 0 by default.
        threshold_factor: the same for the threshold; 0 by default, which inverts all values.
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

    >>> import jax.numpy as jnp
    >>> layer = Solarization(threshold_factor=(0.5, 0.5))
    >>> layer(jnp.array([[[10.0], [200.0]]]), training=True, rng=0).ravel().tolist()
    [10.0, 55.0]
    """

    floating_unchanged = True

    def __init__(
        self,
        addition_factor: Factor = 0.0,
        threshold_factor: Factor = 0.0,
        value_range: tuple[float, float] = (0, 255),
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.addition_factor = self._within("addition_factor", addition_factor, 0, 1, 0)
        self.threshold_factor = self._within("threshold_factor", threshold_factor, 0, 1, 0)
        self.value_range = self._range(value_range)

    def draw(self, key: jax.Array, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        first, second = jax.random.split(key)
        additions = uniform(first, self.addition_factor, images.shape[:1])
        thresholds = uniform(second, self.threshold_factor, images.shape[:1])
        return 255 * additions, 255 * thresholds

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        additions, thresholds = drawn
        return solarize(images, additions, thresholds, self.value_range)
