"""An affine map of several axes at once, on which attention's heads stand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina import initializers
from lamina.layers.bases.low_rank import Adaptable
from lamina.ops.dense import dense

__all__ = ["Projection"]


class Projection(Adaptable):
    """An affine map from the last axes to others: ``y = sum_f x_f kernel_f + bias``.

    What an EinsumDense does, as one product of matrices, which is faster in the backward pass.

    Shapes: ``[..., *features] -> [..., *shape]``; weights ``kernel [*features, *shape]`` and
    ``bias [*shape]``.

    Args:
        shape: the sizes of the output's last axes.
        axes: how many axes of the input are summed over.
        use_bias: whether a bias is added.
        kernel_initializer: of ``kernel``; it counts the summed axes as inputs.
        bias_initializer: of ``bias``.
        **options: as for :class:`Dense`.

    >>> layer = Projection((4, 2))
    >>> layer(jnp.ones((3, 5, 8))).shape, layer.kernel.shape
    ((3, 5, 4, 2), (8, 4, 2))
    """

    def __init__(
        self,
        shape: Sequence[int],
        axes: int = 1,
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.shape = tuple(shape)
        self.axes = axes
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        shape = (*input_shape[-self.axes :], *self.shape)
        inputs, outputs = range(self.axes), range(self.axes, len(shape))
        initializer = initializers.with_axes(self.kernel_initializer, inputs, outputs)
        self.kernel = self._kernel(shape, initializer)
        self.bias = self._weight("bias", self.shape) if self.use_bias else None

    def call(self, inputs: jax.Array) -> jax.Array:
        leading, features = inputs.shape[: -self.axes], math.prod(inputs.shape[-self.axes :])
        rows = jnp.reshape(inputs, (*leading, features))

        def product(kernel: jax.Array, bias: jax.Array | None = None) -> jax.Array:
            shape = kernel.shape[self.axes :]
            outputs = dense(rows, jnp.reshape(kernel, (features, math.prod(shape))), bias)
            return jnp.reshape(outputs, (*leading, *shape))

        bias = None if self.bias is None else jnp.reshape(self.bias.value, (-1,))
        return self._with_change(product(self.kernel.value, bias), product)
