"""Cropping and resizing of images."""

from __future__ import annotations

from typing import Any, Unpack

import jax

from lamina.layer import Layer
from lamina.layers.bases.checks import check_choice, check_count, check_data_format, check_rank
from lamina.layers.bases.errors import refusal
from lamina.ops.arrays import cast, float_dtype
from lamina.ops.images import center_crop, crop_to_aspect, image_axes, pad_to_aspect, resize
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["CenterCrop", "Resizing"]

_FIRST = "channels, height, width"
_METHODS = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")


class ImageSize(Layer):
    """The base of layers that give images a fixed size.

    Args:
        height: positive integer, height of the output in pixels.
        width: positive integer, width of the output in pixels.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`.
    """

    supports_masking = False

    def __init__(
        self,
        height: int,
        width: int,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.height = check_count(self, "height", height)
        self.width = check_count(self, "width", width)
        self.data_format: DataFormat = check_data_format(self, data_format)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None

    @property
    def _size(self) -> tuple[int, int]:
        return self.height, self.width

    def _check(self, images: jax.Array) -> None:
        last = self.data_format == "channels_last"
        check_rank(self, images.shape, "height, width, channels" if last else _FIRST)


class CenterCrop(ImageSize):
    """Crops the center of images.

    An image that is smaller in one axis is cropped to the output's aspect ratio and resized.
    Shapes: ``[..., height', width', channels] -> [..., height, width, channels]``, or channels
    first.

    Args:
        height: positive integer, height of the output in pixels.
        width: positive integer, width of the output in pixels.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: a size is not a positive integer, ``data_format`` is unknown, or the input has
            too few axes.

    >>> import jax.numpy as jnp
    >>> CenterCrop(2, 2)(jnp.ones((1, 5, 4, 3))).shape
    (1, 2, 2, 3)
    """

    def call(self, inputs: jax.Array) -> jax.Array:
        self._check(inputs)
        images, form = cast(inputs, float_dtype(inputs)), self.data_format
        here = [images.shape[axis] for axis in image_axes(form)]
        if here[0] >= self.height and here[1] >= self.width:
            return center_crop(images, self._size, data_format=form)
        images = crop_to_aspect(images, self._size, data_format=form)
        return resize(images, self._size, data_format=form)


class Resizing(ImageSize):
    """Resizes images; see :func:`lamina.ops.images.resize`.

    Shapes: ``[..., height', width', channels] -> [..., height, width, channels]``, or channels
    first, in the input's dtype.

    Args:
        height: positive integer, height of the output in pixels.
        width: positive integer, width of the output in pixels.
        interpolation: ``"bilinear"`` (default), ``"nearest"``, ``"bicubic"``, ``"lanczos3"`` or
            ``"lanczos5"``.
        crop_to_aspect_ratio: bool, whether to crop the center to the output's aspect ratio before
            resizing; False by default.
        pad_to_aspect_ratio: bool, whether to pad to the output's aspect ratio before resizing;
            False by default.
        fill_mode: ``"constant"`` (default), how to pad.
        fill_value: float, value of the padding; 0 by default.
        antialias: bool, whether to filter before downsampling; False by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: a size is not a positive integer, a name is unknown, images are to be both
            cropped and padded, or the input has too few axes.

    >>> import jax.numpy as jnp
    >>> Resizing(8, 6)(jnp.ones((2, 5, 4, 3))).shape
    (2, 8, 6, 3)
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(height, width, data_format, **options)
        self.interpolation = check_choice(self, "interpolation", interpolation, _METHODS)
        self.fill_mode = check_choice(self, "fill_mode", fill_mode, ("constant",))
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.fill_value = fill_value
        self.antialias = antialias
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise refusal(
                self,
                "cannot both crop and pad images",
                expected="crop_to_aspect_ratio or pad_to_aspect_ratio",
                received="both",
                remedy="Set only one of them to True.",
            )

    def call(self, inputs: jax.Array) -> jax.Array:
        self._check(inputs)
        images, form = inputs, self.data_format
        if self.crop_to_aspect_ratio:
            images = crop_to_aspect(images, self._size, data_format=form)
        if self.pad_to_aspect_ratio:
            images = pad_to_aspect(images, self._size, self.fill_value, data_format=form)
        options: dict[str, Any] = {"antialias": self.antialias, "data_format": form}
        return resize(images, self._size, self.interpolation, **options)
