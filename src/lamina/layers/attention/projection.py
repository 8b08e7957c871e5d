"""The projection of attention heads, an affine map of several axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack

import jax
import jax.numpy as jnp

from lamina import initializers
from lamina.layers.bases.low_rank import Adaptable
from lamina.layers.bases.options import QuantizableOptions
from lamina.ops.dense import dense

__all__ = ["Projection"]


class Projection(Adaptable):
    """The projection of attention heads: an affine map of the last axes to other axes.

    ``y = sum_f x_f kernel_f + bias``, as an EinsumDense would compute it, but as one matrix
    product, whose backward pass is faster.

    Shapes: ``[..., *features] -> [..., *shape]``. Weights: ``kernel [*features, *shape]`` and
    ``bias [*shape]``.

    Args:
        shape: sizes of the output's last axes, positive integers.
        axes: number of the input's last axes that are summed over; 1 by default.
        use_bias: add ``bias``; True by default.
        kernel_initializer: initializer of ``kernel``, whose fan-in is the summed axes;
            ``"glorot_uniform"`` by default.
        bias_initializer: initializer of ``bias``; ``"zeros"`` by default.
        **options: those of :class:`lamina.layers.Dense`.

    >>> layer = Projection((4, 2))
    >>> layer(jnp.ones((3, 5, 8))).shape, layer.kernel.shape
    ((3, 5, 4, 2), (8, 4, 2))
    """

    supports_masking = True

    def __init__(
        self,
        shape: Sequence[int],
        axes: int = 1,
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Unpack[QuantizableOptions],
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

        if self.quantization_config is not None:
            outputs = self._multiplied(rows, bias=self.bias).reshape(*leading, *self.shape)
            return self._with_change(outputs, product)
        bias = None if self.bias is None else jnp.reshape(self.bias.value, (-1,))
        return self._with_change(product(self.kernel.value, bias), product)

    def _quantized_axes(self) -> dict[str, tuple[int, ...]]:
        return {"kernel": tuple(range(self.axes, self.axes + len(self.shape)))}
