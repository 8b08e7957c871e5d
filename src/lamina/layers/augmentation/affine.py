"""Random rotations, zooms, translations and shears of images."""

from __future__ import annotations

import math
from typing import Any, Unpack

import jax
import jax.numpy as jnp

from lamina.layers.augmentation.base import Augmentation, Factor, Pair, uniform
from lamina.layers.bases.checks import check_choice, check_within
from lamina.layers.bases.errors import bad_option
from lamina.ops.augmentation.geometry import (
    affine_transform,
    rotations,
    shears,
    translations,
    zooms,
)
from lamina.ops.augmentation.sampling import FillMode, Interpolation
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["Affine", "RandomRotation", "RandomShear", "RandomTranslation", "RandomZoom"]

_FILL_MODES = ("reflect", "wrap", "constant", "nearest")
_INTERPOLATIONS = ("nearest", "bilinear")


class Affine(Augmentation):
    """The base of random affine transforms: ``y(p) = x(A p)`` for points p of the image.

    A subclass defines ``draw(key, images)``, which gives the matrices A ``[batch, 2, 3]``.

    Args:
        fill_mode: values of pixels outside of the image: ``"reflect"`` (default) for the image
            mirrored at its edges, ``"wrap"`` for the image repeated, ``"nearest"`` for the nearest
            pixel, ``"constant"`` for ``fill_value``.
        interpolation: ``"bilinear"`` (default) to interpolate between the four nearest pixels, or
            ``"nearest"`` for the nearest one.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        fill_value: float, value of pixels outside if ``fill_mode`` is ``"constant"``; 0 by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.
        LaminaError: in training there is no random key, in a program.
    """

    floating_unchanged = True

    def __init__(
        self,
        fill_mode: FillMode,
        interpolation: Interpolation,
        seed: int | None,
        fill_value: float,
        data_format: DataFormat | None,
        **options: Any,
    ) -> None:
        super().__init__(data_format, seed, **options)
        self.fill_mode: FillMode = check_choice(self, "fill_mode", fill_mode, _FILL_MODES)
        self.interpolation: Interpolation = check_choice(
            self, "interpolation", interpolation, _INTERPOLATIONS
        )
        self.fill_value = check_within(self, "fill_value", fill_value, -math.inf, math.inf)

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        return self._moved(images, drawn, self.interpolation)

    def transform_masks(self, masks: jax.Array, drawn: Any) -> jax.Array:
        return self._moved(masks, drawn, "nearest")

    def _moved(self, images: jax.Array, drawn: Any, interpolation: Interpolation) -> jax.Array:
        return affine_transform(
            images,
            drawn,
            interpolation=interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )


class RandomRotation(Affine):
    """Rotates images about their center by random angles in training.

    Each image is rotated by an angle of ``2 pi a``, counterclockwise, with a uniform in the range
    ``factor``. Outside of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        factor: float in [-1, 1], in turns: f means the range [-f, f]; or a pair of floats, the
            range itself.
        fill_mode: values of pixels outside of the image: ``"reflect"`` (default) for the image
            mirrored at its edges, ``"wrap"`` for the image repeated, ``"nearest"`` for the nearest
            pixel, ``"constant"`` for ``fill_value``.
        interpolation: ``"bilinear"`` (default) to interpolate between the four nearest pixels, or
            ``"nearest"`` for the nearest one.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        fill_value: float, value of pixels outside if ``fill_mode`` is ``"constant"``; 0 by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.
        LaminaError: in training there is no random key, in a program.

    >>> layer = RandomRotation((0.25, 0.25))
    >>> x = jnp.arange(4.0).reshape(2, 2, 1)
    >>> layer(x, training=True, rng=0)[..., 0].round().tolist()
    [[1.0, 3.0], [0.0, 2.0]]
    """

    def __init__(
        self,
        factor: Factor,
        fill_mode: FillMode = "reflect",
        interpolation: Interpolation = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **options)
        self.factor = self._factor("factor", factor, -1, 1)

    def draw(self, key: jax.Array, images: jax.Array) -> jax.Array:
        turns = uniform(key, self.factor, images.shape[:1])
        return rotations(2 * math.pi * turns, *self._size(images))


class RandomZoom(Affine):
    """Zooms images about their center in training.

    Each image shows a part of the input of ``(1 + a) height`` and ``(1 + b) width``, with a uniform
    in the range ``height_factor`` and b in ``width_factor``: negative numbers enlarge. Outside of
    training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        height_factor: float in (-1, 1], in heights of the image: f means the range [-f, f]; or a
            pair of such floats, the range itself.
        width_factor: the same for the width; None (default) for b = a, which keeps the aspect
            ratio.
        fill_mode: values of pixels outside of the image: ``"reflect"`` (default) for the image
            mirrored at its edges, ``"wrap"`` for the image repeated, ``"nearest"`` for the nearest
            pixel, ``"constant"`` for ``fill_value``.
        interpolation: ``"bilinear"`` (default) to interpolate between the four nearest pixels, or
            ``"nearest"`` for the nearest one.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        fill_value: float, value of pixels outside if ``fill_mode`` is ``"constant"``; 0 by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.
        LaminaError: in training there is no random key, in a program.

    >>> layer = RandomZoom((1.0, 1.0), fill_mode="constant")
    >>> layer(jnp.ones((5, 5, 1)), training=True, rng=0).sum()
    Array(9., dtype=float32)
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor | None = None,
        fill_mode: FillMode = "reflect",
        interpolation: Interpolation = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **options)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._heights = self._zooms("height_factor", height_factor)
        self._widths = None if width_factor is None else self._zooms("width_factor", width_factor)

    def draw(self, key: jax.Array, images: jax.Array) -> jax.Array:
        first, second = jax.random.split(key)
        heights = uniform(first, self._heights, images.shape[:1])
        widths = heights
        if self._widths is not None:
            widths = uniform(second, self._widths, images.shape[:1])
        return zooms(heights, widths, *self._size(images))

    def _zooms(self, name: str, factor: Any) -> Pair:
        low, high = self._within(name, factor, -1, 1, -1)
        if low == -1 and factor != 1:
            raise bad_option(self, name, factor, "a number in (-1, 1], or a pair of numbers")
        return 1 + low, 1 + high


class RandomTranslation(Affine):
    """Moves images by random distances in training.

    Each image moves down by ``a height`` and to the right by ``b width``, with a uniform in the
    range ``height_factor`` and b in ``width_factor``. Outside of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        height_factor: float in [-1, 1], in heights of the image: f means the range [-f, f]; or a
            pair of such floats, the range itself.
        width_factor: the same for the width.
        fill_mode: values of pixels outside of the image: ``"reflect"`` (default) for the image
            mirrored at its edges, ``"wrap"`` for the image repeated, ``"nearest"`` for the nearest
            pixel, ``"constant"`` for ``fill_value``.
        interpolation: ``"bilinear"`` (default) to interpolate between the four nearest pixels, or
            ``"nearest"`` for the nearest one.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        fill_value: float, value of pixels outside if ``fill_mode`` is ``"constant"``; 0 by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.
        LaminaError: in training there is no random key, in a program.

    >>> layer = RandomTranslation(0, (0.5, 0.5), fill_mode="constant")
    >>> layer(jnp.arange(4.0).reshape(1, 4, 1), training=True, rng=0).ravel().tolist()
    [0.0, 0.0, 0.0, 1.0]
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor,
        fill_mode: FillMode = "reflect",
        interpolation: Interpolation = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **options)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._heights = self._within("height_factor", height_factor, -1, 1, -1)
        self._widths = self._within("width_factor", width_factor, -1, 1, -1)

    def draw(self, key: jax.Array, images: jax.Array) -> jax.Array:
        height, width = self._size(images)
        down, right = (
            uniform(part, factor, images.shape[:1])
            for part, factor in zip(
                jax.random.split(key), (self._heights, self._widths), strict=True
            )
        )
        return translations(down * height, right * width)


class RandomShear(Affine):
    """Shears images by random amounts in training.

    The pixel (x, y), counted from the upper left corner, shows the input's point
    ``(x + s a y, y + s b x)``, with a uniform in the range ``x_factor``, b in ``y_factor``, and s
    the same random sign for both. Outside of training ``y = x``.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers become floats.

    Args:
        x_factor: float in [0, 1], pixels to the side for each pixel down: f means the range
            [-f, f]; or a pair of floats in [-1, 1], the range itself; 0 by default.
        y_factor: the same for pixels down for each pixel to the side; 0 by default.
        interpolation: ``"bilinear"`` (default) to interpolate between the four nearest pixels, or
            ``"nearest"`` for the nearest one.
        fill_mode: values of pixels outside of the image: ``"reflect"`` (default) for the image
            mirrored at its edges, ``"wrap"`` for the image repeated, ``"nearest"`` for the nearest
            pixel, ``"constant"`` for ``fill_value``.
        fill_value: float, value of pixels outside if ``fill_mode`` is ``"constant"``; 0 by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        seed: int, mixed into the random key, which gives different numbers to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.
        LaminaError: in training there is no random key, in a program.

    >>> layer = RandomShear(0.5, fill_mode="nearest", interpolation="nearest")
    >>> layer(jnp.ones((2, 3, 3, 1)), training=True, rng=0).shape
    (2, 3, 3, 1)
    """

    def __init__(
        self,
        x_factor: Factor = 0.0,
        y_factor: Factor = 0.0,
        interpolation: Interpolation = "bilinear",
        fill_mode: FillMode = "reflect",
        fill_value: float = 0.0,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **options)
        self.x_factor = self._within("x_factor", x_factor, 0, 1, -1)
        self.y_factor = self._within("y_factor", y_factor, 0, 1, -1)

    def draw(self, key: jax.Array, images: jax.Array) -> jax.Array:
        batch = images.shape[:1]
        first, second, third = jax.random.split(key, 3)
        signs = jax.random.rademacher(third, batch, jnp.float32)
        x, y = uniform(first, self.x_factor, batch), uniform(second, self.y_factor, batch)
        return shears(signs * x, signs * y)
