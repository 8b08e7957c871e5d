"""Equalization of the contrast of each part of images."""

from __future__ import annotations

import math
from typing import Any, Unpack

import jax

from lamina.layers.augmentation.base import Augmentation
from lamina.layers.bases.checks import check_each, check_within
from lamina.ops.augmentation.local_contrast import equalize_tiles
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = ["ContrastLimitedAdaptiveHistogramEqualization"]


class ContrastLimitedAdaptiveHistogramEqualization(Augmentation):
    """Equalizes the histogram of each tile of images, in training and outside.

    The new value of a pixel is interpolated between those that the four nearest tiles give it. A
    tile gives ``low + (high - low) (F(x) - F(0)) / (1 - F(0))``, where F(x) is the part of its
    pixels whose level, of 256, is not above that of x; before, counts above ``clip_limit`` times
    their mean are cut off and spread over all levels.
    Shapes: ``[..., height, width, channels]`` for an image or a batch, or channels first,
    unchanged. Integers stay integers.

    Args:
        value_range: pair of floats, (low, high), lowest and highest value of images; (0, 255) by
            default.
        clip_limit: float >= 0, in means of the counts; 0 for no limit; 4 by default.
        tile_grid_size: positive integer, the number of tiles along both axes, or a pair for height
            and width; (8, 8) by default.
        data_format: ``"channels_last"`` (default) for ``[..., height, width, channels]``, or
            ``"channels_first"`` for ``[..., channels, height, width]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is out of range, or the input has another number of axes.

    Source: Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV, 1994.

    >>> import jax.numpy as jnp
    >>> layer = ContrastLimitedAdaptiveHistogramEqualization(clip_limit=0.0, tile_grid_size=(1, 1))
    >>> layer(jnp.array([[[10], [20], [21], [21]]], "uint8")).ravel().tolist()
    [63, 127, 255, 255]
    """

    always = True
    floating = False
    random = False

    def __init__(
        self,
        value_range: tuple[float, float] = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: int | tuple[int, int] = (8, 8),
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, **options)
        self.value_range = self._range(value_range)
        self.clip_limit = check_within(self, "clip_limit", clip_limit, 0, math.inf)
        self.tile_grid_size = check_each(self, "tile_grid_size", tile_grid_size, 2)

    def transform(self, images: jax.Array, drawn: Any) -> jax.Array:
        height, width = self.tile_grid_size
        return equalize_tiles(
            images,
            self.value_range,
            self.clip_limit,
            (height, width),
            data_format=self.data_format,
        )
