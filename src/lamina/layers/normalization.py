"""Layers that shift and scale by moments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax

from lamina import initializers
from lamina.layers.bases.checks import (
    check_axes,
    check_choice,
    check_count,
    check_integers,
    check_multiple,
    check_rank,
    check_within,
)
from lamina.layers.bases.weights import Weighted
from lamina.ops.normalization import (
    group_norm,
    layer_norm,
)

__all__ = ["GroupNormalization", "LayerNormalization"]


class LayerNormalization(Weighted):
    """Normalise each example by its own moments over some axes.

    ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, the moments in at least float32.
    Shapes: any, unchanged; weights ``gamma`` and ``beta``, the sizes of the input on ``axis``.

    Args:
        axis: the axis or axes to normalise over.
        epsilon: added to the variance.
        center: whether there is a ``beta``.
        scale: whether there is a ``gamma``.
        beta_initializer: of ``beta``.
        gamma_initializer: of ``gamma``.
        rms_scaling: whether to take no mean away and add no ``beta``. That still divides by the
            standard deviation; for the root mean square see :class:`RMSNormalization`.
        **options: ``beta_regularizer``, ``gamma_regularizer``, ``beta_constraint`` and
            ``gamma_constraint``; ``name`` and the others of any layer.

    Raises:
        InputError: ``axis`` is not in the input, or ``epsilon`` is below 0.
        UnknownNameError: an initializer has no such name.

    Source: Ba, Kiros, Hinton, Layer normalization, arXiv 1607.06450.

    >>> import jax.numpy as jnp
    >>> LayerNormalization(epsilon=0.0)(jnp.array([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """

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
        **options: Any,
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
    """Normalise each example by its own moments over each group of channels.

    ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta``, the moments in at least float32,
    over all axes but the batch's, within a group. Shapes: ``[batch, ..., channels, ...]``,
    unchanged; weights ``gamma`` and ``beta``, each ``[channels]``.

    Args:
        groups: into how many groups of equal size neighbouring channels are put; -1 makes every
            channel a group of its own, which is instance normalization.
        axis: the axis of the channels.
        epsilon: added to the variance.
        center: whether there is a ``beta``.
        scale: whether there is a ``gamma``.
        beta_initializer: of ``beta``.
        gamma_initializer: of ``gamma``.
        **options: ``beta_regularizer``, ``gamma_regularizer``, ``beta_constraint`` and
            ``gamma_constraint``; ``name`` and the others of any layer.

    Raises:
        InputError: ``axis`` is not in the input or is the batch's, ``groups`` does not divide the
            channels, or ``epsilon`` is below 0.
        UnknownNameError: an initializer has no such name.

    Source: Wu, He, Group normalization, arXiv 1803.08494.

    >>> import jax.numpy as jnp
    >>> layer = GroupNormalization(groups=2, epsilon=0.0)
    >>> layer(jnp.array([[1.0, 3.0, 5.0, 9.0]])).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

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
        **options: Any,
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

    def call(self, inputs: jax.Array) -> jax.Array:
        groups = inputs.shape[self.axis] if self.groups == -1 else self.groups
        return group_norm(
            inputs, self.gamma, self.beta, groups=groups, axis=self.axis, epsilon=self.epsilon
        )
