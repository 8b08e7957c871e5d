"""Layers that scale by a size: a root mean square, a length, a largest singular value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax

from lamina import initializers
from lamina.core.running.substitution import substituted
from lamina.core.specs.signature import either_mode
from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.bases.checks import check_axes, check_count, check_integers, check_within
from lamina.layers.bases.inner_layers import check_layer
from lamina.ops.scaling import rms_norm, singular_value, unit_norm

__all__ = ["RMSNormalization", "SpectralNormalization", "UnitNormalization"]


class RMSNormalization(Layer):
    """Divide each example by its root mean square: ``y = scale x / sqrt(mean(x^2) + epsilon)``.

    The mean is taken over ``axis``, in at least float32. Shapes: any, unchanged; weights
    ``scale``, the sizes of the input on ``axis``.

    Args:
        axis: the axis or axes to average over.
        epsilon: added to the mean square.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``axis`` is not in the input, or ``epsilon`` is below 0.

    Source: Zhang, Sennrich, Root mean square layer normalization, arXiv 1910.07467.

    >>> import jax.numpy as jnp
    >>> RMSNormalization(epsilon=0.0)(jnp.array([[2.0, -2.0]])).tolist()
    [[1.0, -1.0]]
    """

    def __init__(
        self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **options: Any
    ) -> None:
        super().__init__(**options)
        self.axis = check_integers(self, "axis", axis)
        self.epsilon = check_within(self, "epsilon", epsilon, high=math.inf)

    def build(self, input_shape: Any) -> None:
        axes = check_axes(self, self.axis, len(input_shape))
        self.scale = self.add_weight(tuple(input_shape[axis] for axis in axes), "ones")

    def call(self, inputs: jax.Array) -> jax.Array:
        return rms_norm(inputs, self.scale, axes=self.axis, epsilon=self.epsilon)


class UnitNormalization(Layer):
    """Scale to length 1: ``y = x / sqrt(sum(x^2))``, the sum over ``axis``.

    What is all zeros stays so. Shapes: any, unchanged.

    Args:
        axis: the axis or axes of what gets length 1.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``axis`` is not in the input.

    >>> import jax.numpy as jnp
    >>> UnitNormalization()(jnp.array([[0.0, -2.0], [0.0, 0.0]])).tolist()
    [[0.0, -1.0], [0.0, 0.0]]
    """

    def __init__(self, axis: int | Sequence[int] = -1, **options: Any) -> None:
        super().__init__(**options)
        self.axis = check_integers(self, "axis", axis)

    def build(self, input_shape: Any) -> None:
        check_axes(self, self.axis, len(input_shape))

    def call(self, inputs: jax.Array) -> jax.Array:
        return unit_norm(inputs, axes=self.axis)


class SpectralNormalization(Layer):
    """A layer whose weight is divided by its largest singular value: ``layer(x; W / sigma)``.

    While training, power iteration from where the last call ended gives ``sigma``, which is kept;
    outside of training the one that was kept last is used: 1 at first. So a layer that has yet to
    be trained is the layer itself. ``W`` is the layer's ``kernel`` or ``embeddings``, of which all
    axes but the last count as one; it keeps its own value.

    Shapes: those of the layer; weights ``vector_u [1, units]`` and ``sigma []``, not trained,
    beside the layer's own.

    Args:
        layer: the layer whose weight is divided.
        power_iterations: how many to make at each call while training.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: ``power_iterations`` is not a whole number above 0, or the layer has no weight
            of those names.

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

    def __init__(self, layer: Layer, power_iterations: int = 1, **options: Any) -> None:
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

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.layer.compute_mask(inputs, mask)

    def _weight(self) -> Variable:
        for name in ("kernel", "embeddings"):
            weight = getattr(self.layer, name, None)
            if isinstance(weight, Variable):
                return weight
        raise InputError(
            explain(
                f"{type(self.layer).__name__} has no weight to divide by its singular value.",
                where=f"made at {self.layer._lamina.made_at}",
                expected="a layer with a weight kernel or embeddings, such as Dense",
                received=repr(self.layer),
                remedy="Wrap the layers that have such a weight, each on its own.",
            )
        )
