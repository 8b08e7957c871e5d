"""Normalization by the root mean square, the L2 norm, and the largest singular value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack

import jax

from lamina import initializers
from lamina.core.running.masks import masks_by_inner_layers
from lamina.core.running.precision import uncast
from lamina.core.running.substitution import substituted
from lamina.core.specs.signature import either_mode
from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.bases.checks import check_axes, check_count, check_integers, check_within
from lamina.layers.bases.inner_layers import check_layer
from lamina.ops.scaling import rms_norm, singular_value, unit_norm
from lamina.options import LayerOptions

__all__ = ["RMSNormalization", "SpectralNormalization", "UnitNormalization"]


class RMSNormalization(Layer):
    """Divides each example by its root mean square: ``y = scale x / sqrt(mean(x^2) + epsilon)``.

    The mean is over ``axis``, in float32 or wider. Shapes: any, unchanged; weight ``scale``, with
    the input's sizes on ``axis``.

    Args:
        axis: int or sequence of int, axes of the mean; -1 by default.
        epsilon: float >= 0, added to the mean square; 1e-6 by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: the input lacks ``axis``, or ``epsilon`` is negative.

    Source: Zhang, Sennrich, Root mean square layer normalization, arXiv 1910.07467.

    >>> import jax.numpy as jnp
    >>> RMSNormalization(epsilon=0.0)(jnp.array([[2.0, -2.0]])).tolist()
    [[1.0, -1.0]]
    """

    def __init__(
        self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.axis = check_integers(self, "axis", axis)
        self.epsilon = check_within(self, "epsilon", epsilon, high=math.inf)

    def build(self, input_shape: Any) -> None:
        axes = check_axes(self, self.axis, len(input_shape))
        self.scale = self.add_weight(tuple(input_shape[axis] for axis in axes), "ones")

    @uncast
    def call(self, inputs: jax.Array) -> jax.Array:
        return rms_norm(inputs, self.scale, axes=self.axis, epsilon=self.epsilon)


class UnitNormalization(Layer):
    """Scales to unit L2 norm: ``y = x / sqrt(sum(x^2))``, where the sum is over ``axis``.

    A vector of zeros stays zero. Shapes: any, unchanged.

    Args:
        axis: int or sequence of int, axes of the norm; -1 by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: the input lacks ``axis``.

    >>> import jax.numpy as jnp
    >>> UnitNormalization()(jnp.array([[0.0, -2.0], [0.0, 0.0]])).tolist()
    [[0.0, -1.0], [0.0, 0.0]]
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.axis = check_integers(self, "axis", axis)

    def build(self, input_shape: Any) -> None:
        check_axes(self, self.axis, len(input_shape))

    @uncast
    def call(self, inputs: jax.Array) -> jax.Array:
        return unit_norm(inputs, axes=self.axis)


class SpectralNormalization(Layer):
    """Wraps a layer and divides its kernel by the kernel's largest singular value.

    ``y = layer(x; W / sigma)``, where W is the layer's ``kernel`` or ``embeddings``, reshaped to a
    matrix with its last axis as columns. In training, power iteration, continued from the last
    call, estimates sigma, which is stored; outside of training the stored sigma is used. It is 1
    initially. The weight W itself is not changed.

    Shapes: those of the layer; weights ``vector_u [1, units]`` and ``sigma []``, both not
    trainable, besides the layer's own.

    Args:
        layer: :class:`lamina.Layer` with a weight ``kernel`` or ``embeddings``.
        power_iterations: positive integer, number of power iterations per training call; 1 by
            default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``power_iterations`` is not a positive integer, or the layer has neither weight.

    Source: Miyato et al., Spectral normalization for generative adversarial networks, arXiv
    1802.05957.

    >>> import jax.numpy as jnp
    >>> from lamina import layers
    >>> inner = layers.Dense(2, kernel_initializer=jnp.diag(jnp.array([4.0, 1.0])))
    >>> layer = SpectralNormalization(inner, power_iterations=20)
    >>> layer(jnp.ones((1, 2))).tolist()
    [[4.0, 1.0]]
    >>> layer(jnp.ones((1, 2)), training=True).round(3).tolist()
    [[1.0, 0.25]]
    """

    def __init__(
        self, layer: Layer, power_iterations: int = 1, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.layer = check_layer(self, "layer", layer)
        self.power_iterations = check_count(self, "power_iterations", power_iterations)

    def build(self, input_shape: Any) -> None:
        self.layer.build(input_shape)
        weight = self._weight()
        small = initializers.TruncatedNormal(stddev=0.02)
        shape = (1, weight.shape[-1])
        self.vector_u = self.add_weight(shape, small, dtype=weight.weight_dtype, trainable=False)
        self.sigma = self.add_weight((), "ones", dtype="float32", trainable=False)

    @either_mode
    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        weight = self._weight()
        value, sigma = weight.value, self.sigma.value
        if training:
            sigma, u = singular_value(value, self.vector_u, self.power_iterations)
            self.vector_u.assign(u)
            self.sigma.assign(sigma)
        with substituted(weight, (value / sigma).astype(value.dtype)):
            return self.layer(inputs)

    @masks_by_inner_layers
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.layer.compute_mask(inputs, mask)

    def _weight(self) -> Variable:
        for name in ("kernel", "embeddings"):
            weight = getattr(self.layer, name, None)
            if isinstance(weight, Variable):
                return weight
        raise InputError(
            explain(
                f"{type(self.layer).__name__} has no weight to normalize.",
                where=f"made at {self.layer._lamina.made_at}",
                expected="a layer with a weight named kernel or embeddings, such as Dense",
                received=repr(self.layer),
                remedy="Wrap each layer that has such a weight separately.",
            )
        )
