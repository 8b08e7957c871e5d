"""Activations as layers of their own."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

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
from lamina.layers.bases.weights import Weighted
from lamina.ops.softmax import kept_softmax

__all__ = ["ELU", "Activation", "LeakyReLU", "PReLU", "ReLU", "Softmax"]


class Activation(Layer):
    """A function of each element: ``y = act(x)``.

    Shapes: any, unchanged.

    Args:
        activation: a name or a function of one array.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        UnknownNameError: there is no activation of that name.

    >>> import jax.numpy as jnp
    >>> Activation("relu")(jnp.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, activation: activations.ActivationLike, **options: Any) -> None:
        super().__init__(**options)
        self.activation = activations.get(activation)

    def call(self, inputs: jax.Array) -> jax.Array:
        return activations.get(self.activation)(inputs)


class ReLU(Layer):
    """``x`` above a threshold, up to a largest value; a slope of ``x - threshold`` below.

    Shapes: any, unchanged.

    Args:
        max_value: the largest value; None for none.
        negative_slope: the slope below the threshold.
        threshold: where ``x`` begins to be let through.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: an option is below 0.

    >>> import jax.numpy as jnp
    >>> ReLU(max_value=6.0, negative_slope=0.5)(jnp.array([-2.0, 1.0, 9.0])).tolist()
    [-1.0, 1.0, 6.0]
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        positive = functools.partial(check_within, self, high=math.inf)
        self.max_value = None if max_value is None else positive("max_value", max_value)
        self.negative_slope = positive("negative_slope", negative_slope)
        self.threshold = positive("threshold", threshold)

    def call(self, inputs: jax.Array) -> jax.Array:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(Layer):
    """``x`` above 0, ``negative_slope x`` below.

    Shapes: any, unchanged.

    Args:
        negative_slope: the slope below 0.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``negative_slope`` is below 0.

    >>> import jax.numpy as jnp
    >>> LeakyReLU(0.5)(jnp.array([-2.0, 1.0])).tolist()
    [-1.0, 1.0]
    """

    def __init__(self, negative_slope: float = 0.3, **options: Any) -> None:
        super().__init__(**options)
        self.negative_slope = check_within(self, "negative_slope", negative_slope, high=math.inf)

    def call(self, inputs: jax.Array) -> jax.Array:
        return activations.leaky_relu(inputs, self.negative_slope)


class PReLU(Weighted):
    """``x`` above 0, ``alpha x`` below, with ``alpha`` learnt for each element of an example.

    Shapes: ``[batch, ...]``, unchanged; weight ``alpha``, the sizes of the input without the batch,
    1 on ``shared_axes``.

    Args:
        alpha_initializer: of ``alpha``.
        shared_axes: the axis or axes along which ``alpha`` is the same, the batch being 0.
        **options: ``alpha_regularizer`` and ``alpha_constraint``; ``name`` and the others of any
            layer.

    Raises:
        InputError: ``shared_axes`` are not in the input, or one is the batch's.
        UnknownNameError: the initializer has no such name.

    Source: He et al., Delving deep into rectifiers, arXiv 1502.01852.

    >>> import jax.numpy as jnp
    >>> layer = PReLU(alpha_initializer=0.5, shared_axes=1)
    >>> layer(jnp.array([[[-2.0], [1.0]]])).tolist(), layer.alpha.shape
    ([[[-1.0], [1.0]]], (1, 1))
    """

    _weights = ("alpha",)

    def __init__(
        self,
        alpha_initializer: initializers.InitializerLike = "zeros",
        *,
        shared_axes: int | Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.alpha_initializer = initializers.get(alpha_initializer)
        shared = () if shared_axes in (None, [], ()) else shared_axes
        self.shared_axes = check_integers(self, "shared_axes", shared) if shared != () else ()

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
    """``x`` above 0, ``alpha (exp(x) - 1)`` below.

    Shapes: any, unchanged.

    Args:
        alpha: what is approached, negative, far below 0.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``alpha`` is not a number.

    Source: Clevert et al., Fast and accurate deep network learning by exponential linear units,
    arXiv 1511.07289.

    >>> import jax.numpy as jnp
    >>> ELU()(jnp.array([-jnp.inf, 1.0])).tolist()
    [-1.0, 1.0]
    """

    def __init__(self, alpha: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.alpha = check_within(self, "alpha", alpha, -math.inf, math.inf)

    def call(self, inputs: jax.Array) -> jax.Array:
        return activations.elu(inputs, self.alpha)


class Softmax(Layer):
    """Shares over an axis: ``y_i = exp(x_i) / sum_j exp(x_j)``, j over what is kept.

    Shapes: any, unchanged.

    Args:
        axis: the axis or axes over which shares add up to 1.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``mask``, bool, of the input's shape, or 1 for any of its sizes; axes in front may be
    left out. Where it is False y is 0.

    Raises:
        InputError: ``axis`` is not in the input, or the mask does not fit.

    >>> import jax.numpy as jnp
    >>> Softmax()(jnp.array([2.0, 2.0, 9.0]), mask=jnp.array([True, True, False])).tolist()
    [0.5, 0.5, 0.0]
    """

    def __init__(self, axis: int | Sequence[int] = -1, **options: Any) -> None:
        super().__init__(**options)
        self.axis = check_integers(self, "axis", axis)

    def build(self, input_shape: Any) -> None:
        check_axes(self, self.axis, len(input_shape))

    def call(self, inputs: jax.Array, mask: jax.Array | None = None) -> jax.Array:
        if mask is not None:
            mask = lax.expand_dims(mask, range(inputs.ndim - mask.ndim))
            check_broadcast(self, "a mask", mask, inputs.shape, "the input's axes")
        return kept_softmax(inputs, self.axis, mask)
