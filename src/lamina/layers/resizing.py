"""Cropping, zero padding and upsampling of spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack, cast

import jax

from lamina.layers.bases.checks import check_each
from lamina.layers.bases.docstrings import with_family_docs
from lamina.layers.bases.spatial import Spatial
from lamina.ops.spatial import DataFormat, crop, upsample, zero_pad
from lamina.options import LayerOptions

__all__ = [
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
]

Edges = int | Sequence[int] | Sequence[Sequence[int]]


def _edges(layer: Spatial, name: str, value: Any) -> tuple[tuple[int, int], ...]:
    """Returns the option as points before and after, a pair for each spatial axis."""
    several = isinstance(value, list | tuple)
    if layer.rank == 1 or not several:
        value = [value] * layer.rank
    entries = cast("list[Any]", value)
    if len(entries) != layer.rank:
        check_each(layer, name, value, layer.rank, low=0)
    pairs = [check_each(layer, name, entry, 2, low=0) for entry in entries]
    return tuple((before, after) for before, after in pairs)


class Cropping(Spatial):
    """The base of the cropping layers.

    A spatial axis of size n gets size ``n - before - after``.

    Args:
        cropping: points to remove: integer >= 0 for all edges; or one for each spatial axis,
            for both of its edges; or a pair ``(before, after)`` for each spatial axis, which for
            one axis is the pair itself. 1 by default, 0 for :class:`Cropping2D`.
        data_format: ``"channels_last"`` (default) for ``[batch, space..., channels]``, or
            ``"channels_first"`` for ``[batch, channels, space...]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``cropping`` or ``data_format`` is none of these, the input has another number
            of axes, or the output would be empty.
    """

    def __init__(
        self,
        cropping: Edges = 1,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, **options)
        self.cropping = _edges(self, "cropping", cropping)
        self._least = tuple(sum(pair) + 1 for pair in self.cropping)

    def call(self, inputs: jax.Array) -> jax.Array:
        self._check(inputs.shape)
        return crop(inputs, self.cropping, data_format=self.data_format)


@with_family_docs
class Cropping1D(Cropping):
    """Crops sequences along time.

    Shapes: ``[batch, time, channels] -> [batch, time', channels]``, or channels first.

    >>> import jax.numpy as jnp
    >>> Cropping1D()(jnp.arange(4).reshape(1, 4, 1)).tolist()
    [[[1], [2]]]
    """

    rank = 1


@with_family_docs
class Cropping2D(Cropping):
    """Crops images along their spatial axes.

    Shapes: ``[batch, height, width, channels] -> [batch, height', width', channels]``, or channels
    first.

    >>> import jax.numpy as jnp
    >>> Cropping2D(((2, 2), (4, 3)))(jnp.ones((1, 28, 28, 3))).shape
    (1, 24, 21, 3)
    """

    rank = 2

    def __init__(
        self,
        cropping: Edges = ((0, 0), (0, 0)),
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(cropping, data_format, **options)


@with_family_docs
class Cropping3D(Cropping):
    """Crops volumes along their spatial axes.

    Shapes: ``[batch, depth, height, width, channels] -> [batch, depth', height', width',
    channels]``, or channels first.

    >>> import jax.numpy as jnp
    >>> Cropping3D((1, 2, 0))(jnp.ones((1, 8, 8, 8, 3))).shape
    (1, 6, 4, 8, 3)
    """

    rank = 3


class ZeroPadding(Spatial):
    """The base of the zero padding layers.

    A spatial axis of size n gets size ``before + n + after``.

    Args:
        padding: zeros to add: integer >= 0 for all edges; or one for each spatial axis,
            for both of its edges; or a pair ``(before, after)`` for each spatial axis, which for
            one axis is the pair itself. 1 by default.
        data_format: ``"channels_last"`` (default) for ``[batch, space..., channels]``, or
            ``"channels_first"`` for ``[batch, channels, space...]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``padding`` or ``data_format`` is none of these, or the input has another number
            of axes.
    """

    def __init__(
        self,
        padding: Edges = 1,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, **options)
        self.padding = _edges(self, "padding", padding)

    def call(self, inputs: jax.Array) -> jax.Array:
        return zero_pad(inputs, self.padding, data_format=self.data_format)


@with_family_docs
class ZeroPadding1D(ZeroPadding):
    """Pads sequences with zeros along time.

    Shapes: ``[batch, time, channels] -> [batch, time', channels]``, or channels first.

    >>> import jax.numpy as jnp
    >>> ZeroPadding1D()(jnp.ones((1, 2, 1)))[0, :, 0].tolist()
    [0.0, 1.0, 1.0, 0.0]
    """

    rank = 1


@with_family_docs
class ZeroPadding2D(ZeroPadding):
    """Pads images with zeros along their spatial axes.

    Shapes: ``[batch, height, width, channels] -> [batch, height', width', channels]``, or channels
    first.

    >>> import jax.numpy as jnp
    >>> ZeroPadding2D(((1, 0), (2, 3)))(jnp.ones((1, 4, 4, 3))).shape
    (1, 5, 9, 3)
    """

    rank = 2


@with_family_docs
class ZeroPadding3D(ZeroPadding):
    """Pads volumes with zeros along their spatial axes.

    Shapes: ``[batch, depth, height, width, channels] -> [batch, depth', height', width',
    channels]``, or channels first.

    >>> import jax.numpy as jnp
    >>> ZeroPadding3D()(jnp.ones((1, 2, 3, 4, 1))).shape
    (1, 4, 5, 6, 1)
    """

    rank = 3


class UpSampling(Spatial):
    """The base of the upsampling layers.

    A spatial axis of size n gets size ``n * size``.

    Args:
        size: positive integer, or one for each spatial axis: upsampling factor; 2 by default.
        data_format: ``"channels_last"`` (default) for ``[batch, space..., channels]``, or
            ``"channels_first"`` for ``[batch, channels, space...]``.
        interpolation: ``"nearest"`` (default) to repeat points, or ``"bilinear"``, ``"bicubic"``,
            ``"lanczos3"`` or ``"lanczos5"`` as in :func:`jax.image.resize`. Case is ignored.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``size`` is not a positive integer, a name is unknown, or the input has another
            number of axes.
    """

    def __init__(
        self,
        size: int | Sequence[int] = 2,
        data_format: DataFormat | None = None,
        interpolation: str = "nearest",
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, **options)
        self.size = self._sizes("size", size)
        choices = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
        self.interpolation = self._lower("interpolation", interpolation, *choices)

    def call(self, inputs: jax.Array) -> jax.Array:
        return upsample(
            inputs, self.size, interpolation=self.interpolation, data_format=self.data_format
        )


@with_family_docs
class UpSampling1D(UpSampling):
    """Upsamples sequences by integer factors.

    Shapes: ``[batch, time, channels] -> [batch, time', channels]``, or channels first.

    >>> import jax.numpy as jnp
    >>> UpSampling1D(3)(jnp.ones((1, 2, 4))).shape
    (1, 6, 4)
    """

    rank = 1


@with_family_docs
class UpSampling2D(UpSampling):
    """Upsamples images by integer factors.

    Shapes: ``[batch, height, width, channels] -> [batch, height', width', channels]``, or channels
    first.

    >>> import jax.numpy as jnp
    >>> UpSampling2D((1, 2), interpolation="bilinear")(jnp.ones((1, 2, 3, 4))).shape
    (1, 2, 6, 4)
    """

    rank = 2


@with_family_docs
class UpSampling3D(UpSampling):
    """Upsamples volumes by integer factors.

    Shapes: ``[batch, depth, height, width, channels] -> [batch, depth', height', width',
    channels]``, or channels first.

    >>> import jax.numpy as jnp
    >>> UpSampling3D()(jnp.ones((1, 2, 3, 4, 5))).shape
    (1, 4, 6, 8, 5)
    """

    rank = 3
