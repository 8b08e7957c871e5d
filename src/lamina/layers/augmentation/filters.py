"""Random sharpening and blurring of images."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from lamina.layers.augmentation.base import Augmentation, Factor, chosen, uniform
from lamina.layers.bases.checks import check_each
from lamina.layers.bases.errors import bad_option
from lamina.ops.augmentation.filters import gaussian_blur, sharpen
from lamina.ops.augmentation.sampling import per_image
from lamina.ops.images import image_axes
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["RandomGaussianBlur", "RandomSharpness"]

_LEAST = 1e-6  # smallest standard deviation


class RandomSharpness(Augmentation):
    """Smooths or sharpens images by random amounts in training: ``y = clip(s + 2 a (x - s))``.

    The smoothed image s has 5/13 of a pixel and 1/13 of each of its 8 neighbors, and a is uniform
    in the range ``factor``: 0 smooths, 0.5 changes nothing, 1 sharpens. Outside of training
    ``y = x``.
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
        InputError: an option is out of range, or the input has another number of axes.
        LaminaError: in training there is no random key, in a program.

    >>> layer = RandomSharpness((0.0, 0.0))
    >>> layer(jnp.array([[[0.0], [13.0], [0.0]]]), training=True, rng=0).ravel().tolist()
    [1.0, 5.0, 1.0]
    """

    floating_unchanged = True

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
        sharp = sharpen(images, 2 * drawn, axes=image_axes(self.data_format))
        return jnp.clip(sharp, *self.value_range)


class RandomGaussianBlur(Augmentation):
    """Blurs random images by a Gaussian filter in training.

    ``y[i, j] = clip(sum_kl w[k] v[l] x[i + k, j + l])``, with weights w and v proportional to
    ``exp(-k^2 / (2 s^2))``, and one s for each axis and image, uniform in the range ``sigma``. Each
    image is blurred with a probability that is drawn uniformly from the range ``factor``. Outside
    of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        factor: float in [0, 1]: f means the range [0, f]; or a pair of floats, the range itself;
            1 by default.
        kernel_size: odd positive integer, number of weights, in pixels; or a pair, for the width
            and the height; 3 by default.
        sigma: float in [0, 1], standard deviation in pixels: f means the range [0, f]; or a pair of
            floats, the range itself, which may exceed 1; 1 by default.
        value_range: pair of floats, lowest and highest value of images, to which the result is
            clipped; (0, 255) by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.
        LaminaError: in training there is no random key, in a program.

    >>> layer = RandomGaussianBlur((1.0, 1.0))
    >>> layer(jnp.ones((2, 5, 5, 3)), training=True, rng=0).shape
    (2, 5, 5, 3)
    """

    floating_unchanged = True

    def __init__(
        self,
        factor: Factor = 1.0,
        kernel_size: int | tuple[int, int] = 3,
        sigma: Factor = 1.0,
        value_range: tuple[float, float] = (0, 255),
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.factor = self._factor("factor", factor, 0, 1)
        self.kernel_size = check_each(self, "kernel_size", kernel_size, 2)
        if any(size % 2 == 0 for size in self.kernel_size):
            raise bad_option(self, "kernel_size", kernel_size, "odd integers")
        self.sigma = self._factor("sigma", sigma, 0, 1)
        self.value_range = self._range(value_range)

    def draw(self, key: jax.Array, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        first, second = jax.random.split(key)
        batch = images.shape[0]
        sigmas = uniform(first, self.sigma, (batch, 2)) + _LEAST
        return chosen(second, self.factor, (batch,)), sigmas

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        blurred, sigmas = drawn
        width, height = self.kernel_size
        axes = image_axes(self.data_format)
        blurry = gaussian_blur(images, (height, width), sigmas, axes=axes)
        return jnp.clip(jnp.where(per_image(blurred, images), blurry, images), *self.value_range)
