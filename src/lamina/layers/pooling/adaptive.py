"""Layers that take maxima and means over as many windows as are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import jax

from lamina.layers.bases.spatial import Spatial
from lamina.ops.adaptive_pooling import adaptive_average_pool, adaptive_max_pool
from lamina.ops.spatial import DataFormat

__all__ = [
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
]


class AdaptivePooling(Spatial):
    """A maximum or a mean of each of m windows that cover n points evenly.

    The p-th goes from ``floor(p n / m)`` to ``ceil((p + 1) n / m)``. Shapes: ``[batch, space...,
    channels] -> [batch, output_size..., channels]``, or channels first. Sizes of space may be
    unknown.

    Args:
        output_size: m, one number or one for each axis of space.
        data_format: ``"channels_last"``, the default, or ``"channels_first"``.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: a size is not a whole number above 0, ``data_format`` is neither, or the input
            has another number of axes or no points.

    >>> import jax.numpy as jnp
    >>> AdaptiveMaxPooling1D(3)(jnp.arange(5).reshape(1, 5, 1)).tolist()
    [[[1], [3], [4]]]
    """

    _pool: ClassVar[Callable[..., jax.Array]]

    def __init__(
        self,
        output_size: int | tuple[int, ...],
        data_format: DataFormat | None = None,
        **options: Any,
    ) -> None:
        super().__init__(data_format, **options)
        self.output_size = self._sizes("output_size", output_size)
        self._least = (1,) * self.rank

    def call(self, inputs: jax.Array) -> jax.Array:
        self._check(inputs.shape)
        return self._pool(inputs, self.output_size, data_format=self.data_format)


class AdaptiveAveragePooling1D(AdaptivePooling):
    """The mean of each part of time: :class:`AdaptivePooling` of ``[batch, time, channels]``.

    >>> import jax.numpy as jnp
    >>> AdaptiveAveragePooling1D(2)(jnp.arange(4.0).reshape(1, 4, 1)).tolist()
    [[[0.5], [2.5]]]
    """

    rank = 1
    _pool = staticmethod(adaptive_average_pool)


class AdaptiveAveragePooling2D(AdaptivePooling):
    """The mean of each part of an image: :class:`AdaptivePooling` of
    ``[batch, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> AdaptiveAveragePooling2D((2, 3))(jnp.ones((1, 7, 8, 4))).shape
    (1, 2, 3, 4)
    """

    rank = 2
    _pool = staticmethod(adaptive_average_pool)


class AdaptiveAveragePooling3D(AdaptivePooling):
    """The mean of each part of a volume: :class:`AdaptivePooling` of
    ``[batch, depth, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> AdaptiveAveragePooling3D(2)(jnp.ones((1, 5, 6, 7, 4))).shape
    (1, 2, 2, 2, 4)
    """

    rank = 3
    _pool = staticmethod(adaptive_average_pool)


class AdaptiveMaxPooling1D(AdaptivePooling):
    """The largest of each part of time: :class:`AdaptivePooling` of ``[batch, time, channels]``.

    >>> import jax.numpy as jnp
    >>> AdaptiveMaxPooling1D(2)(jnp.arange(4).reshape(1, 4, 1)).tolist()
    [[[1], [3]]]
    """

    rank = 1
    _pool = staticmethod(adaptive_max_pool)


class AdaptiveMaxPooling2D(AdaptivePooling):
    """The largest of each part of an image: :class:`AdaptivePooling` of
    ``[batch, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> AdaptiveMaxPooling2D((2, 3))(jnp.ones((1, 7, 8, 4))).shape
    (1, 2, 3, 4)
    """

    rank = 2
    _pool = staticmethod(adaptive_max_pool)


class AdaptiveMaxPooling3D(AdaptivePooling):
    """The largest of each part of a volume: :class:`AdaptivePooling` of
    ``[batch, depth, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> AdaptiveMaxPooling3D(2)(jnp.ones((1, 5, 6, 7, 4))).shape
    (1, 2, 2, 2, 4)
    """

    rank = 3
    _pool = staticmethod(adaptive_max_pool)
