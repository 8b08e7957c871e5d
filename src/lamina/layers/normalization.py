"""Layer and group normalization."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack

import jax

from lamina import initializers
from lamina.core.running.precision import uncast
from lamina.layers.bases.checks import (
    check_axes,
    check_choice,
    check_count,
    check_integers,
    check_multiple,
    check_rank,
    check_within,
)
from lamina.layers.bases.options import NormalizationOptions
from lamina.layers.bases.weights import Weighted
from lamina.ops.normalization import (
    group_norm,
    layer_norm,
)

__all__ = ["GroupNormalization", "LayerNormalization"]


class LayerNormalization(Weighted):
    """Normalizes each example by its own mean and variance over some axes.

    ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, with mean and variance in float32 or
    wider. Shapes: any, unchanged; weights ``gamma`` and ``beta``, with the input's sizes on
    ``axis``.

    Args:
        axis: int or sequence of int, axes to normalize over; -1 by default.
        epsilon: float >= 0, added to the variance; 0.001 by default.
        center: bool, whether to add the offset ``beta``; True by default.
        scale: bool, whether to multiply by ``gamma``; True by default.
        beta_initializer: initializer of ``beta``, a name, a
            :class:`lamina.initializers.Initializer` or a function ``(key, shape, dtype) -> array``;
            ``"zeros"`` by default.
        gamma_initializer: the same of ``gamma``; ``"ones"`` by default.
        rms_scaling: bool, whether to skip both centering and ``beta``; False by default. This still
            divides by the standard deviation; :class:`RMSNormalization` divides by the root mean
            square.
        beta_regularizer, gamma_regularizer: penalty on ``beta`` and on ``gamma``, a name, a
            :class:`lamina.regularizers.Regularizer` or a function ``array -> loss``; None by
            default.
        beta_constraint, gamma_constraint: function applied to ``beta`` and to ``gamma`` after each
            training step, a name, a :class:`lamina.constraints.Constraint` or a function
            ``array -> array``; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: the input lacks ``axis``, or ``epsilon`` is negative.
        UnknownNameError: there is no initializer, regularizer or constraint of that name.

    Source: Ba, Kiros, Hinton, Layer normalization, arXiv 1607.06450.

    >>> import jax.numpy as jnp
    >>> LayerNormalization(epsilon=0.0)(jnp.array([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """

    supports_masking = True

    _weights = ("beta", "gamma")

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: initializers.InitializerLike = "zeros",
        gamma_initializer: initializers.InitializerLike = "ones",
        *,
        rms_scaling: bool = False,
        **options: Unpack[NormalizationOptions],
    ) -> None:
        super().__init__(**options)
        self.axis = check_integers(self, "axis", axis)
        self.epsilon = check_within(self, "epsilon", epsilon, high=math.inf)
        self.center = center and not rms_scaling
        self.scale = scale or rms_scaling
        self.rms_scaling = rms_scaling
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)

    def build(self, input_shape: Any) -> None:
        axes = check_axes(self, self.axis, len(input_shape))
        shape = tuple(input_shape[axis] for axis in axes)
        self.gamma = self._weight("gamma", shape) if self.scale else None
        self.beta = self._weight("beta", shape) if self.center else None

    @uncast
    def call(self, inputs: jax.Array) -> jax.Array:
        return layer_norm(
            inputs,
            self.gamma,
            self.beta,
            axes=self.axis,
            epsilon=self.epsilon,
            shift=not self.rms_scaling,
        )


class GroupNormalization(Weighted):
    """Normalizes each group of channels of an example by its own mean and variance.

    ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, with mean and variance in float32 or
    wider, over the channels of a group and all axes but the batch. Shapes: ``[batch, ...,
    channels, ...]``, unchanged; weights ``gamma`` and ``beta``, each ``[channels]``.

    Args:
        groups: positive integer that divides the channels, number of groups of adjacent channels;
            -1 for one group per channel, which is instance normalization; 32 by default.
        axis: int, axis of the channels; -1 by default.
        epsilon: float >= 0, added to the variance; 0.001 by default.
        center: bool, whether to add the offset ``beta``; True by default.
        scale: bool, whether to multiply by ``gamma``; True by default.
        beta_initializer: initializer of ``beta``, a name, a
            :class:`lamina.initializers.Initializer` or a function ``(key, shape, dtype) -> array``;
            ``"zeros"`` by default.
        gamma_initializer: the same of ``gamma``; ``"ones"`` by default.
        beta_regularizer, gamma_regularizer: penalty on ``beta`` and on ``gamma``, a name, a
            :class:`lamina.regularizers.Regularizer` or a function ``array -> loss``; None by
            default.
        beta_constraint, gamma_constraint: function applied to ``beta`` and to ``gamma`` after each
            training step, a name, a :class:`lamina.constraints.Constraint` or a function
            ``array -> array``; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: the input lacks ``axis`` or it is the batch axis, ``groups`` does not divide the
            channels, or ``epsilon`` is negative.
        UnknownNameError: there is no initializer, regularizer or constraint of that name.

    Source: Wu, He, Group normalization, arXiv 1803.08494.

    >>> import jax.numpy as jnp
    >>> layer = GroupNormalization(groups=2, epsilon=0.0)
    >>> layer(jnp.array([[1.0, 3.0, 5.0, 9.0]])).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    supports_masking = True

    _weights = ("beta", "gamma")

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: initializers.InitializerLike = "zeros",
        gamma_initializer: initializers.InitializerLike = "ones",
        **options: Unpack[NormalizationOptions],
    ) -> None:
        super().__init__(**options)
        self.groups = -1 if groups == -1 else check_count(self, "groups", groups)
        (self.axis,) = check_integers(self, "axis", axis)
        self.epsilon = check_within(self, "epsilon", epsilon, high=math.inf)
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)

    def build(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "batch, channels")
        rank = len(input_shape)
        (axis,) = check_axes(self, (self.axis,), rank)
        check_choice(self, "axis", axis, tuple(range(1, rank)))
        channels = input_shape[axis]
        check_multiple(self, "channels", channels, "groups", abs(self.groups))
        self.gamma = self._weight("gamma", (channels,)) if self.scale else None
        self.beta = self._weight("beta", (channels,)) if self.center else None

    @uncast
    def call(self, inputs: jax.Array) -> jax.Array:
        groups = inputs.shape[self.axis] if self.groups == -1 else self.groups
        return group_norm(
            inputs, self.gamma, self.beta, groups=groups, axis=self.axis, epsilon=self.epsilon
        )
