"""Layers that drop elements while training, so that what is learnt generalises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, cast

import jax

from lamina.layer import Layer
from lamina.layers.bases.checks import check_choice, check_count, check_rank, check_within
from lamina.layers.noise import Noise
from lamina.ops.dropout import alpha_dropout, dropout
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
    """Zero elements at random while training: ``y = x m / (1 - rate)``, E[m] = 1 - rate.

    What is dropped is 0, infinity and NaN too. Outside of training ``y = x``. Shapes: any,
    unchanged.

    Args:
        rate: the probability of a zero, from 0 to 1.
        noise_shape: the shape of m, one entry an axis of the input: 1 drops along a whole axis,
            None stands for the input's size. Without it every element is drawn alone.
        seed: mixed into the call's key, to tell two layers apart that share one key.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``rate`` or ``noise_shape`` is out of range, or ``noise_shape`` has another
            number of axes than the input.
        LaminaError: no random key is in reach while training.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting,
    JMLR 2014.

    >>> import jax.numpy as jnp
    >>> layer = Dropout(0.5)
    >>> layer(jnp.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    >>> sorted(set(layer(jnp.ones(100), training=True, rng=jax.random.key(0)).tolist()))
    [0.0, 2.0]
    """

    _below: ClassVar[bool] = False  # whether a rate of 1 means nothing

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **options: Any,
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
    """Put elements to selu's floor at random while training, and keep mean 0 and variance 1.

    ``y = a (m x + (1 - m) f) + b`` with ``f = -1.758`` and E[m] = 1 - rate; a and b make up for
    what is dropped. Outside of training ``y = x``. Shapes: any, unchanged.

    Args:
        rate: the probability of m = 0, from 0 up to, but not, 1.
        noise_shape: the shape of m, as for :class:`Dropout`.
        seed: mixed into the call's key, to tell two layers apart that share one key.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``rate`` or ``noise_shape`` is out of range, or ``noise_shape`` has another
            number of axes than the input.
        LaminaError: no random key is in reach while training.

    Source: Klambauer et al., Self-normalizing neural networks, arXiv 1706.02515.

    >>> x = jax.random.normal(jax.random.key(0), (10000,))
    >>> f"{AlphaDropout(0.3)(x, training=True, rng=1).std():.1f}"
    '1.0'
    """

    _below = True

    def noisy(self, key: jax.Array, inputs: jax.Array) -> jax.Array:
        return alpha_dropout(key, inputs, self.rate, self.noise_shape)


class _SpatialDropout(Dropout):
    """Drop whole maps: a channel of an example, everywhere at once."""

    space: ClassVar[str]

    def __init__(
        self,
        rate: float,
        data_format: Literal["channels_first", "channels_last"] | None = None,
        seed: int | None = None,
        **options: Any,
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


class SpatialDropout1D(_SpatialDropout):
    """Drop whole channels of a sequence at random while training: ``y = x m / (1 - rate)``.

    Outside of training ``y = x``. Shapes: ``[batch, time, channels]``, unchanged; m has the shape
    ``[batch, 1, channels]``.

    Args:
        rate: the probability that a channel of an example is zero, from 0 to 1.
        seed: mixed into the call's key, to tell two layers apart that share one key.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``rate`` is out of range, or the input has another number of axes.
        LaminaError: no random key is in reach while training.

    Source: Tompson et al., Efficient object localization using convolutional networks, arXiv
    1411.4280.

    >>> import jax.numpy as jnp
    >>> y = SpatialDropout1D(0.5)(jnp.ones((100, 2, 1)), training=True, rng=0)
    >>> sorted(set(map(tuple, y[:, :, 0].tolist())))
    [(0.0, 0.0), (2.0, 2.0)]
    """

    space = "time"

    def __init__(self, rate: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(rate, None, seed, **options)


class SpatialDropout2D(_SpatialDropout):
    """Drop whole channels of an image at random while training: ``y = x m / (1 - rate)``.

    As :class:`SpatialDropout1D`, for ``[batch, height, width, channels]``, or ``[batch, channels,
    height, width]`` with ``data_format="channels_first"``.
    """

    space = "height, width"


class SpatialDropout3D(_SpatialDropout):
    """Drop whole channels of a volume at random while training: ``y = x m / (1 - rate)``.

    As :class:`SpatialDropout1D`, for ``[batch, depth, height, width, channels]``, or ``[batch,
    channels, depth, height, width]`` with ``data_format="channels_first"``.
    """

    space = "depth, height, width"


class ActivityRegularization(Layer):
    """What comes in goes out, and ``l1 sum |x| + l2 sum x^2``, by example, is added to the loss.

    Shapes: any, unchanged.

    Args:
        l1: the factor of the sizes.
        l2: the factor of the squares.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: a factor is not a finite number of 0 or more.

    >>> import jax.numpy as jnp
    >>> from lamina import added_losses
    >>> with added_losses() as added:
    ...     outputs = ActivityRegularization(l1=0.5)(jnp.array([[1.0, -3.0], [0.0, 0.0]]))
    >>> [float(loss) for loss in added]
    [1.0]
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **options: Any) -> None:
        super().__init__(activity_regularizer=L1L2(l1, l2), **options)
        self.l1, self.l2 = l1, l2

    def call(self, inputs: Any) -> Any:
        return inputs
