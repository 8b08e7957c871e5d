"""Layers that take the maximum or the mean over all of space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import jax

from lamina.layers.bases.checks import check_shape
from lamina.layers.bases.spatial import Spatial
from lamina.ops.pooling import global_average_pool, global_max_pool
from lamina.ops.spatial import DataFormat

__all__ = [
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
]


class GlobalPooling(Spatial):
    """The maximum or the mean of each channel: ``y[c] = max_p x[p, c]`` or ``mean_p``.

    Shapes: ``[batch, space..., channels] -> [batch, channels]``, or channels first. Sizes of
    space may be unknown.

    Args:
        data_format: ``"channels_last"``, the default, or ``"channels_first"``.
        keepdims: whether space keeps its axes, of size 1.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``data_format`` is neither, or the input has another number of axes or no
            points.

    >>> import jax.numpy as jnp
    >>> GlobalMaxPooling1D(keepdims=True)(jnp.arange(6).reshape(1, 3, 2)).tolist()
    [[[4, 5]]]
    """

    _pool: ClassVar[Callable[..., jax.Array]]

    def __init__(
        self, data_format: DataFormat | None = None, keepdims: bool = False, **options: Any
    ) -> None:
        super().__init__(data_format, **options)
        self.keepdims = keepdims
        self._least = (1,) * self.rank

    def call(self, inputs: jax.Array) -> jax.Array:
        self._check(inputs.shape)
        return self._pool(inputs, keepdims=self.keepdims, data_format=self.data_format)


class GlobalMaxPooling1D(GlobalPooling):
    """The largest of all times: :class:`GlobalPooling` of ``[batch, time, channels]``.

    >>> import jax.numpy as jnp
    >>> GlobalMaxPooling1D()(jnp.arange(6).reshape(1, 3, 2)).tolist()
    [[4, 5]]
    """

    rank = 1
    _pool = staticmethod(global_max_pool)


class GlobalMaxPooling2D(GlobalPooling):
    """The largest of an image: :class:`GlobalPooling` of ``[batch, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> GlobalMaxPooling2D()(jnp.ones((2, 4, 5, 3))).shape
    (2, 3)
    """

    rank = 2
    _pool = staticmethod(global_max_pool)


class GlobalMaxPooling3D(GlobalPooling):
    """The largest of a volume: :class:`GlobalPooling` of
    ``[batch, depth, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> GlobalMaxPooling3D("channels_first")(jnp.ones((2, 3, 4, 5, 6))).shape
    (2, 3)
    """

    rank = 3
    _pool = staticmethod(global_max_pool)


class GlobalAveragePooling1D(GlobalPooling):
    """The mean of all times: :class:`GlobalPooling` of ``[batch, time, channels]``.

    Call takes ``mask``, bool, ``[batch, time]``: what is False does not count. With nothing left
    to count the mean is 0.

    Raises:
        InputError: as for :class:`GlobalPooling`, or the mask does not fit.

    >>> import jax.numpy as jnp
    >>> x, mask = jnp.array([[[1.0], [3.0], [9.0]]]), jnp.array([[True, True, False]])
    >>> GlobalAveragePooling1D()(x, mask=mask).tolist()
    [[2.0]]
    """

    rank = 1

    def call(self, inputs: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        self._check(inputs.shape)
        if mask is not None:
            (time,) = self._space
            check_shape(self, "a mask", mask, (inputs.shape[0], inputs.shape[time]), "batch, time")
        return global_average_pool(
            inputs, mask, keepdims=self.keepdims, data_format=self.data_format
        )


class GlobalAveragePooling2D(GlobalPooling):
    """The mean of an image: :class:`GlobalPooling` of ``[batch, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> GlobalAveragePooling2D(keepdims=True)(jnp.ones((2, 4, 5, 3))).shape
    (2, 1, 1, 3)
    """

    rank = 2
    _pool = staticmethod(global_average_pool)


class GlobalAveragePooling3D(GlobalPooling):
    """The mean of a volume: :class:`GlobalPooling` of
    ``[batch, depth, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> GlobalAveragePooling3D()(jnp.ones((2, 4, 5, 6, 3))).shape
    (2, 3)
    """

    rank = 3
    _pool = staticmethod(global_average_pool)


GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
