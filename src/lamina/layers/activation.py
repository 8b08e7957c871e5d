"""Activation functions as layers."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, Unpack

import jax
from jax import lax

from lamina import activations, initializers
from lamina.layer import Layer
from lamina.layers.bases.checks import (
    check_axes,
    check_broadcast,
    check_choice,
    check_integers,
    check_rank,
    check_within,
)
from lamina.layers.bases.options import AlphaOptions
from lamina.layers.bases.weights import Weighted
from lamina.ops.softmax import kept_softmax
from lamina.options import LayerOptions

__all__ = ["ELU", "Activation", "LeakyReLU", "PReLU", "ReLU", "Softmax"]


class Activation(Layer):
    """Applies an activation function: ``y = act(x)``.

    Shapes: any, unchanged.

    Args:
        activation: name of an activation or function of one array; None for ``y = x``.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        UnknownNameError: there is no activation of that name.

    >>> import jax.numpy as jnp
    >>> Activation("relu")(jnp.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    supports_masking = True

    def __init__(
        self, activation: activations.ActivationLike, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.activation = activations.get(activation)

    def call(self, inputs: jax.Array) -> jax.Array:
        return activations.get(self.activation)(inputs)


class ReLU(Layer):
    """The rectified linear unit, with an optional slope, threshold and maximum.

    ``y = min(x, max_value)`` where ``x >= threshold``, else ``y = negative_slope (x - threshold)``.
    Shapes: any, unchanged.

    Args:
        max_value: float >= 0, maximum of the output; None (default) for no maximum.
        negative_slope: float >= 0, slope below the threshold; 0 by default.
        threshold: float >= 0, smallest input that is passed on; 0 by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: an option is negative.

    >>> import jax.numpy as jnp
    >>> ReLU(max_value=6.0, negative_slope=0.5)(jnp.array([-2.0, 1.0, 9.0])).tolist()
    [-1.0, 1.0, 6.0]
    """

    supports_masking = True

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        positive = functools.partial(check_within, self, high=math.inf)
        self.max_value = None if max_value is None else positive("max_value", max_value)
        self.negative_slope = positive("negative_slope", negative_slope)
        self.threshold = positive("threshold", threshold)

    def call(self, inputs: jax.Array) -> jax.Array:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(Layer):
    """The leaky rectified linear unit: ``y = x`` where ``x >= 0``, else ``y = negative_slope x``.

    Shapes: any, unchanged.

    Args:
        negative_slope: float >= 0, slope for negative inputs; 0.3 by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``negative_slope`` is negative.

    >>> import jax.numpy as jnp
    >>> LeakyReLU(0.5)(jnp.array([-2.0, 1.0])).tolist()
    [-1.0, 1.0]
    """

    supports_masking = True

    def __init__(self, negative_slope: float = 0.3, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.negative_slope = check_within(self, "negative_slope", negative_slope, high=math.inf)

    def call(self, inputs: jax.Array) -> jax.Array:
        return activations.leaky_relu(inputs, self.negative_slope)


class PReLU(Weighted):
    """The parametric rectified linear unit: ``y = x`` where ``x >= 0``, else ``y = alpha x``.

    ``alpha`` is trained. Shapes: ``[batch, ...]``, unchanged; weight ``alpha`` has the shape of one
    example, with size 1 on ``shared_axes``.

    Args:
        alpha_initializer: initializer of ``alpha``, a name, a
            :class:`lamina.initializers.Initializer` or a function ``(key, shape, dtype) -> array``;
            ``"zeros"`` by default.
        shared_axes: int or sequence of int, axes of the input along which ``alpha`` is shared,
            counted with the batch as axis 0; None (default) for none.
        alpha_regularizer: penalty on ``alpha``, a name, a :class:`lamina.regularizers.Regularizer`
            or a function ``array -> loss``; None by default.
        alpha_constraint: function applied to ``alpha`` after each training step, a name, a
            :class:`lamina.constraints.Constraint` or a function ``array -> array``; None by
            default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: the input lacks one of ``shared_axes``, or one is the batch axis.
        UnknownNameError: there is no initializer, regularizer or constraint of that name.

    Source: He et al., Delving deep into rectifiers, arXiv 1502.01852.

    >>> import jax.numpy as jnp
    >>> layer = PReLU(alpha_initializer=0.5, shared_axes=1)
    >>> layer(jnp.array([[[-2.0], [1.0]]])).tolist(), layer.alpha.shape
    ([[[-1.0], [1.0]]], (1, 1))
    """

    supports_masking = True

    _weights = ("alpha",)

    def __init__(
        self,
        alpha_initializer: initializers.InitializerLike = "zeros",
        *,
        shared_axes: int | Sequence[int] | None = None,
        **options: Unpack[AlphaOptions],
    ) -> None:
        super().__init__(**options)
        self.alpha_initializer = initializers.get(alpha_initializer)
        none = shared_axes is None or (isinstance(shared_axes, Sequence) and not shared_axes)
        self.shared_axes = () if none else check_integers(self, "shared_axes", shared_axes)

    def build(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "batch, features")
        rank = len(input_shape)
        shared = check_axes(self, self.shared_axes, rank)
        for axis in shared:
            check_choice(self, "shared_axes", axis, tuple(range(1, rank)))
        shape = (1 if axis in shared else input_shape[axis] for axis in range(1, rank))
        self.alpha = self._weight("alpha", tuple(shape))

    def call(self, inputs: jax.Array) -> jax.Array:
        return activations.relu(inputs) - self.alpha.value * activations.relu(-inputs)


class ELU(Layer):
    """The exponential linear unit: ``y = x`` where ``x > 0``, else ``y = alpha (exp(x) - 1)``.

    Shapes: any, unchanged.

    Args:
        alpha: float, minus the limit of y for very negative x; 1.0 by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``alpha`` is not a number.

    Source: Clevert et al., Fast and accurate deep network learning by exponential linear units,
    arXiv 1511.07289.

    >>> import jax.numpy as jnp
    >>> ELU()(jnp.array([-jnp.inf, 1.0])).tolist()
    [-1.0, 1.0]
    """

    supports_masking = True

    def __init__(self, alpha: float = 1.0, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.alpha = check_within(self, "alpha", alpha, -math.inf, math.inf)

    def call(self, inputs: jax.Array) -> jax.Array:
        return activations.elu(inputs, self.alpha)


class Softmax(Layer):
    """The softmax: ``y_i = exp(x_i) / sum_j exp(x_j)``, where j runs over ``axis``.

    Shapes: any, unchanged. The call also takes ``mask``, bool, of a shape that broadcasts to the
    input's: where it is False, x counts as -infinity and y is 0.

    Args:
        axis: int or sequence of int, axes over which y sums to 1; -1 by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: the input lacks ``axis``, or the mask does not broadcast.

    >>> import jax.numpy as jnp
    >>> Softmax()(jnp.array([2.0, 2.0, 9.0]), mask=jnp.array([True, True, False])).tolist()
    [0.5, 0.5, 0.0]
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.axis = check_integers(self, "axis", axis)

    def build(self, input_shape: Any) -> None:
        check_axes(self, self.axis, len(input_shape))

    def call(self, inputs: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        if mask is not None:
            mask = lax.expand_dims(mask, range(inputs.ndim - mask.ndim))
            check_broadcast(self, "a mask", mask, inputs.shape, "the input's axes")
        return kept_softmax(inputs, self.axis, mask)
