"""Layers that take maxima and means over windows of space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import jax

from lamina.layers.bases.spatial import Spatial
from lamina.ops.pooling import average_pool, max_pool
from lamina.ops.spatial import DataFormat

__all__ = [
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
]


class Pooling(Spatial):
    """A maximum or a mean of each window: ``y[p, c] = max_k x[s p + k, c]`` or ``mean_k``.

    Shapes: ``[batch, space..., channels] -> [batch, space'..., channels]``, or channels first.
    Sizes of space may be unknown.

    Args:
        pool_size: how many points k a window has, one number or one for each axis of space.
        strides: s, points from window to window, one number or one for each axis; the
            ``pool_size`` if None.
        padding: ``"valid"`` for whole windows only; ``"same"`` for ``ceil(size / s)`` of them,
            of which those at the edges have fewer points.
        data_format: ``"channels_last"``, the default, or ``"channels_first"``.
        name: what reports call the layer.
        **options: ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: a size is not a whole number above 0, a name stands for nothing, or the input
            has another number of axes or is smaller than a window.

    >>> import jax.numpy as jnp
    >>> MaxPooling1D()(jnp.array([[[1.0], [3.0], [2.0], [0.0]]])).tolist()
    [[[3.0], [2.0]]]
    """

    _pool: ClassVar[Callable[..., jax.Array]]

    def __init__(
        self,
        pool_size: int | tuple[int, ...] = 2,
        strides: int | tuple[int, ...] | None = None,
        padding: str = "valid",
        data_format: DataFormat | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(data_format, name=name, **options)
        self.pool_size = self._sizes("pool_size", pool_size)
        self.strides = self.pool_size if strides is None else self._sizes("strides", strides)
        self.padding = self._lower("padding", padding, "valid", "same")
        if self.padding == "valid":
            self._least = self.pool_size

    def call(self, inputs: jax.Array) -> jax.Array:
        self._check(inputs.shape)
        where = {"padding": self.padding, "data_format": self.data_format}
        return self._pool(inputs, self.pool_size, self.strides, **where)


class MaxPooling1D(Pooling):
    """The largest of each window of time: :class:`Pooling` of ``[batch, time, channels]``.

    >>> import jax.numpy as jnp
    >>> MaxPooling1D(3, strides=1)(jnp.arange(5).reshape(1, 5, 1)).tolist()
    [[[2], [3], [4]]]
    """

    rank = 1
    _pool = staticmethod(max_pool)


class MaxPooling2D(Pooling):
    """The largest of each window of images: :class:`Pooling` of
    ``[batch, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> MaxPooling2D((1, 2))(jnp.arange(8).reshape(1, 2, 4, 1))[..., 0].tolist()
    [[[1, 3], [5, 7]]]
    """

    rank = 2
    _pool = staticmethod(max_pool)


class MaxPooling3D(Pooling):
    """The largest of each window of volumes: :class:`Pooling` of
    ``[batch, depth, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> MaxPooling3D()(jnp.ones((1, 4, 6, 8, 2))).shape
    (1, 2, 3, 4, 2)
    """

    rank = 3
    _pool = staticmethod(max_pool)


class AveragePooling1D(Pooling):
    """The mean of each window of time: :class:`Pooling` of ``[batch, time, channels]``.

    >>> import jax.numpy as jnp
    >>> AveragePooling1D(2, padding="same")(jnp.arange(5.0).reshape(1, 5, 1)).tolist()
    [[[0.5], [2.5], [4.0]]]
    """

    rank = 1
    _pool = staticmethod(average_pool)


class AveragePooling2D(Pooling):
    """The mean of each window of images: :class:`Pooling` of
    ``[batch, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> AveragePooling2D(2)(jnp.arange(8.0).reshape(1, 2, 4, 1))[..., 0].tolist()
    [[[2.5, 4.5]]]
    """

    rank = 2
    _pool = staticmethod(average_pool)


class AveragePooling3D(Pooling):
    """The mean of each window of volumes: :class:`Pooling` of
    ``[batch, depth, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> AveragePooling3D(2)(jnp.ones((1, 4, 6, 8, 2))).shape
    (1, 2, 3, 4, 2)
    """

    rank = 3
    _pool = staticmethod(average_pool)


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
