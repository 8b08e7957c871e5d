"""Maximum and average pooling over windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Unpack

import jax

from lamina.layers.bases.docstrings import with_family_docs
from lamina.layers.bases.options import PoolingOptions
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
    """The base of the pooling layers; see :mod:`lamina.ops.pooling`.

    Here s is the stride, and the index k runs over the points of a window. Sizes of spatial axes
    may be unknown.

    Args:
        pool_size: positive integer, or one for each spatial axis: size of the window in points; 2
            by default.
        strides: positive integer, or one for each spatial axis: s, distance between neighboring
            windows in points; None (default) for the ``pool_size``.
        padding: ``"valid"`` (default) for no padding, or ``"same"`` for an output size of
            ``ceil(size / s)``, where padding does not count. Case is ignored.
        data_format: ``"channels_last"`` (default) for ``[batch, space..., channels]``, or
            ``"channels_first"`` for ``[batch, channels, space...]``.
        name: str, name of the layer in reports; None (default) for one derived from its class.
        **options: as for every :class:`lamina.Layer`: ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: a size is not a positive integer, a name is unknown, or the input has another
            number of axes or is smaller than a window.
    """

    _pool: ClassVar[Callable[..., jax.Array]]

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: DataFormat | None = None,
        name: str | None = None,
        **options: Unpack[PoolingOptions],
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


@with_family_docs
class MaxPooling1D(Pooling):
    """1D max pooling: the maximum of each window, ``y[p, c] = max_k x[s p + k, c]``.

    Shapes: ``[batch, time, channels] -> [batch, time', channels]``, or channels first.

    >>> import jax.numpy as jnp
    >>> MaxPooling1D(3, strides=1)(jnp.arange(5).reshape(1, 5, 1)).tolist()
    [[[2], [3], [4]]]
    """

    rank = 1
    _pool = staticmethod(max_pool)


@with_family_docs
class MaxPooling2D(Pooling):
    """2D max pooling: the maximum of each window, ``y[p, c] = max_k x[s p + k, c]``.

    Shapes: ``[batch, height, width, channels] -> [batch, height', width', channels]``, or channels
    first.

    >>> import jax.numpy as jnp
    >>> MaxPooling2D((1, 2))(jnp.arange(8).reshape(1, 2, 4, 1))[..., 0].tolist()
    [[[1, 3], [5, 7]]]
    """

    rank = 2
    _pool = staticmethod(max_pool)


@with_family_docs
class MaxPooling3D(Pooling):
    """3D max pooling: the maximum of each window, ``y[p, c] = max_k x[s p + k, c]``.

    Shapes: ``[batch, depth, height, width, channels] -> [batch, depth', height', width',
    channels]``, or channels first.

    >>> import jax.numpy as jnp
    >>> MaxPooling3D()(jnp.ones((1, 4, 6, 8, 2))).shape
    (1, 2, 3, 4, 2)
    """

    rank = 3
    _pool = staticmethod(max_pool)


@with_family_docs
class AveragePooling1D(Pooling):
    """1D average pooling: the mean of each window, ``y[p, c] = mean_k x[s p + k, c]``.

    Shapes: ``[batch, time, channels] -> [batch, time', channels]``, or channels first.

    >>> import jax.numpy as jnp
    >>> AveragePooling1D(2, padding="same")(jnp.arange(5.0).reshape(1, 5, 1)).tolist()
    [[[0.5], [2.5], [4.0]]]
    """

    rank = 1
    _pool = staticmethod(average_pool)


@with_family_docs
class AveragePooling2D(Pooling):
    """2D average pooling: the mean of each window, ``y[p, c] = mean_k x[s p + k, c]``.

    Shapes: ``[batch, height, width, channels] -> [batch, height', width', channels]``, or channels
    first.

    >>> import jax.numpy as jnp
    >>> AveragePooling2D(2)(jnp.arange(8.0).reshape(1, 2, 4, 1))[..., 0].tolist()
    [[[2.5, 4.5]]]
    """

    rank = 2
    _pool = staticmethod(average_pool)


@with_family_docs
class AveragePooling3D(Pooling):
    """3D average pooling: the mean of each window, ``y[p, c] = mean_k x[s p + k, c]``.

    Shapes: ``[batch, depth, height, width, channels] -> [batch, depth', height', width',
    channels]``, or channels first.

    >>> import jax.numpy as jnp
    >>> AveragePooling3D(2)(jnp.ones((1, 4, 6, 8, 2))).shape
    (1, 2, 3, 4, 2)
    """

    rank = 3
    _pool = staticmethod(average_pool)


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
