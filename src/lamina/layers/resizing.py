"""Layers that cut, pad and refine space."""

from __future__ import annotations

from typing import Any, cast

import jax

from lamina.layers.bases.checks import check_each
from lamina.layers.bases.spatial import Spatial
from lamina.ops.spatial import DataFormat, crop, upsample, zero_pad

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

Edges = int | tuple[int, ...] | tuple[tuple[int, int], ...]


class Edged(Spatial):
    """What layers share that change the edges of space."""

    def _edges(self, name: str, value: Any) -> tuple[tuple[int, int], ...]:
        """The option as points in front and behind, a pair for each axis of space."""
        several = isinstance(value, list | tuple)
        if self.rank == 1 or not several:
            value = [value] * self.rank
        entries = cast("list[Any]", value)
        if len(entries) != self.rank:
            check_each(self, name, value, self.rank, low=0)
        pairs = [check_each(self, name, entry, 2, low=0) for entry in entries]
        return tuple((front, behind) for front, behind in pairs)


class Cropping(Edged):
    """The edges of space cut off.

    Shapes: ``[batch, space..., channels] -> [batch, space'..., channels]``, or channels first,
    with ``size - front - behind`` points on each axis of space.

    Args:
        cropping: points to cut off: one number for all edges, one for both edges of each axis
            of space, or a pair ``(front, behind)`` for each axis; for one axis the pair itself.
        data_format: ``"channels_last"``, the default, or ``"channels_first"``.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``cropping`` or ``data_format`` is none of these, or the input has another
            number of axes or nothing would be left of it.

    >>> import jax.numpy as jnp
    >>> Cropping1D((1, 2))(jnp.arange(5).reshape(1, 5, 1)).tolist()
    [[[1], [2]]]
    """

    def __init__(
        self, cropping: Edges = 1, data_format: DataFormat | None = None, **options: Any
    ) -> None:
        super().__init__(data_format, **options)
        self.cropping = self._edges("cropping", cropping)
        self._least = tuple(sum(pair) + 1 for pair in self.cropping)

    def call(self, inputs: jax.Array) -> jax.Array:
        self._check(inputs.shape)
        return crop(inputs, self.cropping, data_format=self.data_format)


class Cropping1D(Cropping):
    """The ends of time cut off: :class:`Cropping` of ``[batch, time, channels]``.

    >>> import jax.numpy as jnp
    >>> Cropping1D()(jnp.arange(4).reshape(1, 4, 1)).tolist()
    [[[1], [2]]]
    """

    rank = 1


class Cropping2D(Cropping):
    """The edges of images cut off: :class:`Cropping` of ``[batch, height, width, channels]``,
    of which nothing is cut where ``cropping`` is not given.

    >>> import jax.numpy as jnp
    >>> Cropping2D(((2, 2), (4, 3)))(jnp.ones((1, 28, 28, 3))).shape
    (1, 24, 21, 3)
    """

    rank = 2

    def __init__(
        self,
        cropping: Edges = ((0, 0), (0, 0)),
        data_format: DataFormat | None = None,
        **options: Any,
    ) -> None:
        super().__init__(cropping, data_format, **options)


class Cropping3D(Cropping):
    """The edges of volumes cut off: :class:`Cropping` of
    ``[batch, depth, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> Cropping3D((1, 2, 0))(jnp.ones((1, 8, 8, 8, 3))).shape
    (1, 6, 4, 8, 3)
    """

    rank = 3


class ZeroPadding(Edged):
    """Zeros put around space.

    Shapes: ``[batch, space..., channels] -> [batch, space'..., channels]``, or channels first,
    with ``front + size + behind`` points on each axis of space.

    Args:
        padding: zeros to add: one number for all edges, one for both edges of each axis of
            space, or a pair ``(front, behind)`` for each axis; for one axis the pair itself.
        data_format: ``"channels_last"``, the default, or ``"channels_first"``.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``padding`` or ``data_format`` is none of these, or the input has another
            number of axes.

    >>> import jax.numpy as jnp
    >>> ZeroPadding1D((1, 2))(jnp.ones((1, 2, 1)))[0, :, 0].tolist()
    [0.0, 1.0, 1.0, 0.0, 0.0]
    """

    def __init__(
        self, padding: Edges = 1, data_format: DataFormat | None = None, **options: Any
    ) -> None:
        super().__init__(data_format, **options)
        self.padding = self._edges("padding", padding)

    def call(self, inputs: jax.Array) -> jax.Array:
        return zero_pad(inputs, self.padding, data_format=self.data_format)


class ZeroPadding1D(ZeroPadding):
    """Zeros before and after time: :class:`ZeroPadding` of ``[batch, time, channels]``.

    >>> import jax.numpy as jnp
    >>> ZeroPadding1D()(jnp.ones((1, 2, 1)))[0, :, 0].tolist()
    [0.0, 1.0, 1.0, 0.0]
    """

    rank = 1


class ZeroPadding2D(ZeroPadding):
    """Zeros around images: :class:`ZeroPadding` of ``[batch, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> ZeroPadding2D(((1, 0), (2, 3)))(jnp.ones((1, 4, 4, 3))).shape
    (1, 5, 9, 3)
    """

    rank = 2


class ZeroPadding3D(ZeroPadding):
    """Zeros around volumes: :class:`ZeroPadding` of ``[batch, depth, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> ZeroPadding3D()(jnp.ones((1, 2, 3, 4, 1))).shape
    (1, 4, 5, 6, 1)
    """

    rank = 3


class UpSampling(Spatial):
    """Space made finer by whole factors.

    Shapes: ``[batch, space..., channels] -> [batch, space'..., channels]``, or channels first,
    with ``size factor`` points on each axis of space.

    Args:
        size: the factor, one number or one for each axis of space.
        data_format: ``"channels_last"``, the default, or ``"channels_first"``.
        interpolation: ``"nearest"`` repeats points; ``"bilinear"``, ``"bicubic"``, ``"lanczos3"``
            and ``"lanczos5"`` are those of :func:`jax.image.resize`.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``size`` is not a whole number above 0, a name stands for nothing, or the
            input has another number of axes.

    >>> import jax.numpy as jnp
    >>> UpSampling1D(2)(jnp.arange(2).reshape(1, 2, 1))[0, :, 0].tolist()
    [0, 0, 1, 1]
    """

    def __init__(
        self,
        size: int | tuple[int, ...] = 2,
        data_format: DataFormat | None = None,
        interpolation: str = "nearest",
        **options: Any,
    ) -> None:
        super().__init__(data_format, **options)
        self.size = self._sizes("size", size)
        choices = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
        self.interpolation = self._lower("interpolation", interpolation, *choices)

    def call(self, inputs: jax.Array) -> jax.Array:
        return upsample(
            inputs, self.size, interpolation=self.interpolation, data_format=self.data_format
        )


class UpSampling1D(UpSampling):
    """Time made finer: :class:`UpSampling` of ``[batch, time, channels]``.

    >>> import jax.numpy as jnp
    >>> UpSampling1D(3)(jnp.ones((1, 2, 4))).shape
    (1, 6, 4)
    """

    rank = 1


class UpSampling2D(UpSampling):
    """Images made finer: :class:`UpSampling` of ``[batch, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> UpSampling2D((1, 2), interpolation="bilinear")(jnp.ones((1, 2, 3, 4))).shape
    (1, 2, 6, 4)
    """

    rank = 2


class UpSampling3D(UpSampling):
    """Volumes made finer: :class:`UpSampling` of ``[batch, depth, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> UpSampling3D()(jnp.ones((1, 2, 3, 4, 5))).shape
    (1, 4, 6, 8, 5)
    """

    rank = 3
