"""The fully connected layer."""

from __future__ import annotations

from typing import Any, Unpack

import jax

from lamina import activations, initializers
from lamina.layers.bases.checks import check_count, check_rank
from lamina.layers.bases.low_rank import Adaptable
from lamina.layers.bases.options import QuantizableOptions
from lamina.ops.dense import dense

__all__ = ["Dense"]


class Dense(Adaptable):
    """A fully connected layer: ``y = act(x kernel + bias)`` on the last axis.

    Shapes: ``[..., features] -> [..., units]``; weights ``kernel [features, units]`` and
    ``bias [units]``.

    Args:
        units: positive integer, size of the output's last axis.
        activation: name of an activation or function of one array, applied to the output; None
            (default) for none.
        use_bias: bool, whether to add a bias; True by default.
        kernel_initializer: initializer of ``kernel``, a name, a
            :class:`lamina.initializers.Initializer` or a function ``(key, shape, dtype) -> array``;
            ``"glorot_uniform"`` by default.
        bias_initializer: initializer of ``bias``; ``"zeros"`` by default.
        kernel_regularizer, bias_regularizer: penalty on ``kernel`` and on ``bias``, a name, a
            :class:`lamina.regularizers.Regularizer` or a function ``array -> loss``; None by
            default.
        kernel_constraint, bias_constraint: function applied to ``kernel`` and to ``bias`` after
            each training step, a name, a :class:`lamina.constraints.Constraint` or a function
            ``array -> array``; None by default.
        lora_rank: positive integer, rank of a LoRA update of the frozen kernel, see
            :meth:`enable_lora`; None (default) for no LoRA.
        lora_alpha: float >= 0, numerator of the update's scale ``lora_alpha / lora_rank``; the
            rank by default.
        quantization_config: a :class:`lamina.quantizers.Int8QuantizationConfig` or
            :class:`lamina.quantizers.Int4QuantizationConfig`, to store the kernel as integers, see
            :meth:`quantize`; None (default) for floats.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: ``units`` is not a positive integer, or the input is a scalar.
        UnknownNameError: there is no activation, initializer, regularizer or constraint of that
            name.

    >>> import jax.numpy as jnp
    >>> layer = Dense(3, activation="relu")
    >>> layer(jnp.ones((2, 7, 4))).shape
    (2, 7, 3)
    >>> layer.kernel.shape
    (4, 3)
    """

    supports_masking = True

    def __init__(
        self,
        units: int,
        activation: activations.ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Unpack[QuantizableOptions],
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
        if self.quantization_config is None:
            outputs = dense(inputs, self.kernel, self.bias)
        else:
            outputs = self._multiplied(inputs, bias=self.bias)
        changed = self._with_change(outputs, lambda kernel: dense(inputs, kernel))
        return activations.get(self.activation)(changed)

    def _quantized_axes(self) -> dict[str, tuple[int, ...]]:
        return {"kernel": (1,)}
