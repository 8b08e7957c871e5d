"""Maximum and average pooling to a given output size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Unpack

import jax

from lamina.layers.bases.docstrings import with_family_docs
from lamina.layers.bases.spatial import Spatial
from lamina.ops.adaptive_pooling import adaptive_average_pool, adaptive_max_pool
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

__all__ = [
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
]


class AdaptivePooling(Spatial):
    """The base of the adaptive pooling layers; see :mod:`lamina.ops.pooling`.

    With n input and m output points on an axis, window p covers the points from ``floor(p n / m)``
    to ``ceil((p + 1) n / m)``, the end excluded. Sizes of spatial axes may be unknown.

    Args:
        output_size: positive integer, or one for each spatial axis: m, size of the output in
            points.
        data_format: ``"channels_last"`` (default) for ``[batch, space..., channels]``, or
            ``"channels_first"`` for ``[batch, channels, space...]``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: a size is not a positive integer, ``data_format`` is unknown, or the input has
            another number of axes or a spatial axis of size 0.
    """

    _pool: ClassVar[Callable[..., jax.Array]]

    def __init__(
        self,
        output_size: int | Sequence[int],
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, **options)
        self.output_size = self._sizes("output_size", output_size)
        self._least = (1,) * self.rank

    def call(self, inputs: jax.Array) -> jax.Array:
        self._check(inputs.shape)
        return self._pool(inputs, self.output_size, data_format=self.data_format)


@with_family_docs
class AdaptiveAveragePooling1D(AdaptivePooling):
    """1D adaptive average pooling: the mean of each of ``output_size`` windows.

    Shapes: ``[batch, time, channels] -> [batch, time', channels]`` with ``time' = output_size``, or
    channels first.

    >>> import jax.numpy as jnp
    >>> AdaptiveAveragePooling1D(2)(jnp.arange(4.0).reshape(1, 4, 1)).tolist()
    [[[0.5], [2.5]]]
    """

    rank = 1
    _pool = staticmethod(adaptive_average_pool)


@with_family_docs
class AdaptiveAveragePooling2D(AdaptivePooling):
    """2D adaptive average pooling: the mean of each of ``output_size`` windows.

    Shapes: ``[batch, height, width, channels] -> [batch, height', width', channels]`` with
    ``(height', width') = output_size``, or channels first.

    >>> import jax.numpy as jnp
    >>> AdaptiveAveragePooling2D((2, 3))(jnp.ones((1, 7, 8, 4))).shape
    (1, 2, 3, 4)
    """

    rank = 2
    _pool = staticmethod(adaptive_average_pool)


@with_family_docs
class AdaptiveAveragePooling3D(AdaptivePooling):
    """3D adaptive average pooling: the mean of each of ``output_size`` windows.

    Shapes: ``[batch, depth, height, width, channels] -> [batch, depth', height', width',
    channels]`` with ``(depth', height', width') = output_size``, or channels first.

    >>> import jax.numpy as jnp
    >>> AdaptiveAveragePooling3D(2)(jnp.ones((1, 5, 6, 7, 4))).shape
    (1, 2, 2, 2, 4)
    """

    rank = 3
    _pool = staticmethod(adaptive_average_pool)


@with_family_docs
class AdaptiveMaxPooling1D(AdaptivePooling):
    """1D adaptive max pooling: the maximum of each of ``output_size`` windows.

    Shapes: ``[batch, time, channels] -> [batch, time', channels]`` with ``time' = output_size``, or
    channels first.

    >>> import jax.numpy as jnp
    >>> AdaptiveMaxPooling1D(3)(jnp.arange(5).reshape(1, 5, 1)).tolist()
    [[[1], [3], [4]]]
    """

    rank = 1
    _pool = staticmethod(adaptive_max_pool)


@with_family_docs
class AdaptiveMaxPooling2D(AdaptivePooling):
    """2D adaptive max pooling: the maximum of each of ``output_size`` windows.

    Shapes: ``[batch, height, width, channels] -> [batch, height', width', channels]`` with
    ``(height', width') = output_size``, or channels first.

    >>> import jax.numpy as jnp
    >>> AdaptiveMaxPooling2D((2, 3))(jnp.ones((1, 7, 8, 4))).shape
    (1, 2, 3, 4)
    """

    rank = 2
    _pool = staticmethod(adaptive_max_pool)


@with_family_docs
class AdaptiveMaxPooling3D(AdaptivePooling):
    """3D adaptive max pooling: the maximum of each of ``output_size`` windows.

    Shapes: ``[batch, depth, height, width, channels] -> [batch, depth', height', width',
    channels]`` with ``(depth', height', width') = output_size``, or channels first.

    >>> import jax.numpy as jnp
    >>> AdaptiveMaxPooling3D(2)(jnp.ones((1, 5, 6, 7, 4))).shape
    (1, 2, 2, 2, 4)
    """

    rank = 3
    _pool = staticmethod(adaptive_max_pool)
