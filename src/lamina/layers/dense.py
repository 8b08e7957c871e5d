"""The dense layer."""

from __future__ import annotations

from typing import Any

import jax

from lamina import activations, initializers
from lamina.layers.bases.checks import check_count, check_rank
from lamina.layers.bases.low_rank import Adaptable
from lamina.ops.dense import dense

__all__ = ["Dense"]


class Dense(Adaptable):
    """An affine map of the last axis and an activation: ``y = act(x kernel + bias)``.

    Shapes: ``[..., features] -> [..., units]``; weights ``kernel [features, units]`` and
    ``bias [units]``.

    Args:
        units: the size of the output's last axis.
        activation: a name or a function of one array; None for none.
        use_bias: whether a bias is added.
        kernel_initializer: of ``kernel``.
        bias_initializer: of ``bias``.
        **options: ``kernel_regularizer``, ``bias_regularizer``, ``kernel_constraint`` and
            ``bias_constraint``; ``lora_rank`` and ``lora_alpha``, of :meth:`enable_lora`; ``name``
            and the others of any layer.

    Raises:
        InputError: ``units`` is not a whole number above 0, or the input is a scalar.
        UnknownNameError: an activation or initializer has no such name.

    >>> import jax.numpy as jnp
    >>> layer = Dense(3, activation="relu")
    >>> layer(jnp.ones((2, 7, 4))).shape
    (2, 7, 3)
    >>> layer.kernel.shape
    (4, 3)
    """

    def __init__(
        self,
        units: int,
        activation: activations.ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = check_count(self, "units", units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "features")
        self.kernel = self._kernel((input_shape[-1], self.units))
        self.bias = self._weight("bias", (self.units,)) if self.use_bias else None

    def call(self, inputs: jax.Array) -> jax.Array:
        outputs = dense(inputs, self.kernel, self.bias)
        changed = self._with_change(outputs, lambda kernel: dense(inputs, kernel))
        return activations.get(self.activation)(changed)
