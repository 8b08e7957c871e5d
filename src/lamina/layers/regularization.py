"""Dropout in training, and penalties on activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack, cast

import jax

from lamina.layer import Layer
from lamina.layers.bases.checks import check_choice, check_count, check_rank, check_within
from lamina.layers.bases.docstrings import with_family_docs
from lamina.layers.bases.options import UnpenalizedOptions
from lamina.layers.noise import Noise
from lamina.ops.dropout import alpha_dropout, dropout
from lamina.ops.spatial import DataFormat
from lamina.options import LayerOptions
from lamina.regularizers import L1L2

__all__ = [
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
]


class Dropout(Noise):
    """Sets elements to zero at random in training: ``y = x m / (1 - rate)``.

    The mask m is 0 with probability ``rate``, else 1. Dropped elements are 0 even where x is
    infinite or NaN. Outside of training ``y = x``. Shapes: any, unchanged.

    Args:
        rate: float in [0, 1], probability that an element is dropped.
        noise_shape: sequence of int or None, the shape of m, with one entry for each axis of the
            input: 1 shares m along the axis, None is the input's size; None (default) for one draw
            per element.
        seed: int, mixed into the random key, which gives different noise to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``rate`` or ``noise_shape`` is out of range, or ``noise_shape`` lacks an entry
            for an axis of the input.
        LaminaError: in training there is no random key.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting,
    JMLR 2014.

    >>> import jax.numpy as jnp
    >>> layer = Dropout(0.5)
    >>> layer(jnp.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    >>> sorted(set(layer(jnp.ones(100), training=True, rng=jax.random.key(0)).tolist()))
    [0.0, 2.0]
    """

    _below: ClassVar[bool] = False  # whether a rate of 1 is refused

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        self.rate = check_within(self, "rate", rate, below=self._below)
        super().__init__(self.rate, seed, **options)
        self.noise_shape = None if noise_shape is None else self._sizes(noise_shape)

    def build(self, input_shape: Any) -> None:
        if self.noise_shape is not None:
            axes = ", ".join("?" if size is None else str(size) for size in self.noise_shape)
            check_rank(self, input_shape, axes, exactly=True)

    def noisy(self, key: jax.Array, inputs: jax.Array) -> jax.Array:
        return dropout(key, inputs, self.rate, self.noise_shape)

    def _sizes(self, noise_shape: Any) -> tuple[int | None, ...]:
        one = not isinstance(noise_shape, list | tuple)
        return tuple(
            None if size is None else check_count(self, "noise_shape", size)
            for size in cast("list[Any]", [noise_shape] if one else noise_shape)
        )


class AlphaDropout(Dropout):
    """Dropout for SELU networks: keeps mean 0 and variance 1 of the inputs in training.

    ``y = a (m x + (1 - m) f) + b``, where the mask m is 0 with probability ``rate``, else 1, f =
    -1.758 is the limit of SELU, and a and b restore mean and variance. Outside of training ``y =
    x``. Shapes: any, unchanged.

    Args:
        rate: float in [0, 1), probability that an element is dropped.
        noise_shape: sequence of int or None, the shape of m, with one entry for each axis of the
            input: 1 shares m along the axis, None is the input's size; None (default) for one draw
            per element.
        seed: int, mixed into the random key, which gives different noise to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``rate`` or ``noise_shape`` is out of range, or ``noise_shape`` lacks an entry
            for an axis of the input.
        LaminaError: in training there is no random key.

    Source: Klambauer et al., Self-normalizing neural networks, arXiv 1706.02515.

    >>> x = jax.random.normal(jax.random.key(0), (10000,))
    >>> f"{AlphaDropout(0.3)(x, training=True, rng=1).std():.1f}"
    '1.0'
    """

    _below = True

    def noisy(self, key: jax.Array, inputs: jax.Array) -> jax.Array:
        return alpha_dropout(key, inputs, self.rate, self.noise_shape)


class SpatialDropout(Dropout):
    """The base of spatial dropout over images and volumes.

    The mask m is 0 with probability ``rate``, else 1, and has one entry for each example and
    channel. Outside of training ``y = x``.

    Args:
        rate: float in [0, 1], probability that a channel of an example is dropped.
        data_format: ``"channels_last"`` (default) for ``[batch, space..., channels]``, or
            ``"channels_first"`` for ``[batch, channels, space...]``.
        seed: int, mixed into the random key, which gives different noise to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``rate`` or ``data_format`` is out of range, or the input has another number of
            axes.
        LaminaError: in training there is no random key.

    Source: Tompson et al., Efficient object localization using convolutional networks, arXiv
    1411.4280.
    """

    space: ClassVar[str]

    def __init__(
        self,
        rate: float,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        choices = (None, "channels_first", "channels_last")
        self.data_format = check_choice(self, "data_format", data_format, choices)
        ones = (1,) * len(self.space.split(", "))
        first = data_format == "channels_first"
        super().__init__(
            rate, (None, None, *ones) if first else (None, *ones, None), seed, **options
        )

    def build(self, input_shape: Any) -> None:
        first = self.data_format == "channels_first"
        axes = f"batch, channels, {self.space}" if first else f"batch, {self.space}, channels"
        check_rank(self, input_shape, axes, exactly=True)


class SpatialDropout1D(SpatialDropout):
    """Sets whole channels of a sequence to zero at random in training: ``y = x m / (1 - rate)``.

    The mask m ``[batch, 1, channels]`` is 0 with probability ``rate``, else 1. Outside of training
    ``y = x``. Shapes: ``[batch, time, channels]``, unchanged.

    Args:
        rate: float in [0, 1], probability that a channel of an example is dropped.
        seed: int, mixed into the random key, which gives different noise to layers that would
            otherwise share a key; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``rate`` is out of range, or the input has another number of axes.
        LaminaError: in training there is no random key.

    Source: Tompson et al., Efficient object localization using convolutional networks, arXiv
    1411.4280.

    >>> import jax.numpy as jnp
    >>> y = SpatialDropout1D(0.5)(jnp.ones((100, 2, 1)), training=True, rng=0)
    >>> sorted(set(map(tuple, y[:, :, 0].tolist())))
    [(0.0, 0.0), (2.0, 2.0)]
    """

    space = "time"

    def __init__(
        self, rate: float, seed: int | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(rate, None, seed, **options)


@with_family_docs
class SpatialDropout2D(SpatialDropout):
    """Sets whole channels of an image to zero at random in training: ``y = x m / (1 - rate)``.

    Shapes: ``[batch, height, width, channels]``, or channels first, unchanged.

    >>> import jax.numpy as jnp
    >>> y = SpatialDropout2D(0.5)(jnp.ones((100, 2, 1, 1)), training=True, rng=0)
    >>> sorted(set(map(tuple, y[:, :, 0, 0].tolist())))
    [(0.0, 0.0), (2.0, 2.0)]
    """

    space = "height, width"


@with_family_docs
class SpatialDropout3D(SpatialDropout):
    """Sets whole channels of a volume to zero at random in training: ``y = x m / (1 - rate)``.

    Shapes: ``[batch, depth, height, width, channels]``, or channels first, unchanged.

    >>> import jax.numpy as jnp
    >>> y = SpatialDropout3D(0.5)(jnp.ones((100, 2, 1, 1, 1)), training=True, rng=0)
    >>> sorted(set(map(tuple, y[:, :, 0, 0, 0].tolist())))
    [(0.0, 0.0), (2.0, 2.0)]
    """

    space = "depth, height, width"


class ActivityRegularization(Layer):
    """Returns its input, and adds ``(l1 sum |x| + l2 sum x^2) / batch size`` to the loss.

    Shapes: any, unchanged.

    Args:
        l1: float >= 0, factor of the sum of absolute values; 0 by default.
        l2: float >= 0, factor of the sum of squares; 0 by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``input_shape``, ``input_dim``.

    Raises:
        InputError: a factor is negative or not finite.

    >>> import jax.numpy as jnp
    >>> from lamina import added_losses
    >>> with added_losses() as added:
    ...     outputs = ActivityRegularization(l1=0.5)(jnp.array([[1.0, -3.0], [0.0, 0.0]]))
    >>> [float(loss) for loss in added]
    [1.0]
    """

    supports_masking = True

    def __init__(
        self, l1: float = 0.0, l2: float = 0.0, **options: Unpack[UnpenalizedOptions]
    ) -> None:
        super().__init__(activity_regularizer=L1L2(l1, l2), **options)
        self.l1, self.l2 = l1, l2

    def call(self, inputs: Any) -> Any:
        return inputs
