"""Maximum and average pooling over all spatial axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Unpack

import jax

from lamina.layers.bases.checks import check_shape
from lamina.layers.bases.docstrings import with_family_docs
from lamina.layers.bases.spatial import Spatial
from lamina.ops.pooling import global_average_pool, global_max_pool
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions

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
    """The base of the global pooling layers; see :mod:`lamina.ops.pooling`.

    The index p runs over all points of the spatial axes, whose sizes may be unknown.

    Args:
        data_format: ``"channels_last"`` (default) for ``[batch, space..., channels]``, or
            ``"channels_first"`` for ``[batch, channels, space...]``.
        keepdims: bool, whether to keep the spatial axes with size 1; False by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``data_format`` is unknown, or the input has another number of axes, no points,
            or a mask of another shape.
    """

    _pool: ClassVar[Callable[..., jax.Array]]

    def __init__(
        self,
        data_format: DataFormat | None = None,
        keepdims: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, **options)
        self.keepdims = keepdims
        self._least = (1,) * self.rank

    def call(self, inputs: jax.Array) -> jax.Array:
        self._check(inputs.shape)
        return self._pool(inputs, keepdims=self.keepdims, data_format=self.data_format)


@with_family_docs
class GlobalMaxPooling1D(GlobalPooling):
    """1D global max pooling: the maximum of each channel, ``y[c] = max_p x[p, c]``.

    Shapes: ``[batch, time, channels] -> [batch, channels]``, or ``[batch, 1, channels]`` with
    ``keepdims``; or channels first.

    >>> import jax.numpy as jnp
    >>> GlobalMaxPooling1D()(jnp.arange(6).reshape(1, 3, 2)).tolist()
    [[4, 5]]
    """

    rank = 1
    _pool = staticmethod(global_max_pool)


@with_family_docs
class GlobalMaxPooling2D(GlobalPooling):
    """2D global max pooling: the maximum of each channel, ``y[c] = max_p x[p, c]``.

    Shapes: ``[batch, height, width, channels] -> [batch, channels]``, or ``[batch, 1, 1,
    channels]`` with ``keepdims``; or channels first.

    >>> import jax.numpy as jnp
    >>> GlobalMaxPooling2D()(jnp.ones((2, 4, 5, 3))).shape
    (2, 3)
    """

    rank = 2
    _pool = staticmethod(global_max_pool)


@with_family_docs
class GlobalMaxPooling3D(GlobalPooling):
    """3D global max pooling: the maximum of each channel, ``y[c] = max_p x[p, c]``.

    Shapes: ``[batch, depth, height, width, channels] -> [batch, channels]``, or ``[batch, 1, 1, 1,
    channels]`` with ``keepdims``; or channels first.

    >>> import jax.numpy as jnp
    >>> GlobalMaxPooling3D("channels_first")(jnp.ones((2, 3, 4, 5, 6))).shape
    (2, 3)
    """

    rank = 3
    _pool = staticmethod(global_max_pool)


@with_family_docs
class GlobalAveragePooling1D(GlobalPooling):
    """1D global average pooling: the mean of each channel, ``y[c] = mean_p x[p, c]``.

    Shapes: ``[batch, time, channels] -> [batch, channels]``, or ``[batch, 1, channels]`` with
    ``keepdims``; or channels first.

    The call also takes ``mask [batch, time]``, bool: steps where it is False are left out of the
    mean, which is 0 if all are.

    >>> import jax.numpy as jnp
    >>> x, mask = jnp.array([[[1.0], [3.0], [9.0]]]), jnp.array([[True, True, False]])
    >>> GlobalAveragePooling1D()(x, mask=mask).tolist()
    [[2.0]]
    """

    supports_masking = True
    rank = 1

    def call(self, inputs: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        self._check(inputs.shape)
        if mask is not None:
            (time,) = self._space
            check_shape(self, "a mask", mask, (inputs.shape[0], inputs.shape[time]), "batch, time")
        return global_average_pool(
            inputs, mask, keepdims=self.keepdims, data_format=self.data_format
        )


@with_family_docs
class GlobalAveragePooling2D(GlobalPooling):
    """2D global average pooling: the mean of each channel, ``y[c] = mean_p x[p, c]``.

    Shapes: ``[batch, height, width, channels] -> [batch, channels]``, or ``[batch, 1, 1,
    channels]`` with ``keepdims``; or channels first.

    >>> import jax.numpy as jnp
    >>> GlobalAveragePooling2D(keepdims=True)(jnp.ones((2, 4, 5, 3))).shape
    (2, 1, 1, 3)
    """

    rank = 2
    _pool = staticmethod(global_average_pool)


@with_family_docs
class GlobalAveragePooling3D(GlobalPooling):
    """3D global average pooling: the mean of each channel, ``y[c] = mean_p x[p, c]``.

    Shapes: ``[batch, depth, height, width, channels] -> [batch, channels]``, or ``[batch, 1, 1, 1,
    channels]`` with ``keepdims``; or channels first.

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
