"""The base of the Transformer's encoder and decoder blocks."""

from __future__ import annotations

from typing import Any, Unpack

import jax

from lamina import activations, initializers
from lamina.layer import Layer
from lamina.layers.attention.multi_head import MultiHeadAttention
from lamina.layers.bases.checks import check_count, check_multiple
from lamina.layers.dense import Dense
from lamina.layers.normalization import LayerNormalization
from lamina.layers.regularization import Dropout
from lamina.options import LayerOptions

__all__ = ["TransformerBlock"]


class TransformerBlock(Layer):
    """The base of the encoder and decoder blocks: options, and parts with residual connections."""

    supports_masking = True
    _hides_masks = True

    def __init__(
        self,
        intermediate_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        activation: activations.ActivationLike = "relu",
        layer_norm_epsilon: float = 1e-5,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        normalize_first: bool = False,
        rotary: Layer | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.intermediate_dim = check_count(self, "intermediate_dim", intermediate_dim)
        self.num_heads = check_count(self, "num_heads", num_heads)
        self.dropout = Dropout(dropout)
        self.activation = activations.get(activation)
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.normalize_first = normalize_first
        self.rotary = rotary

    def _attention(self, features: int, rotary: Layer | None = None) -> MultiHeadAttention:
        check_multiple(self, "features", features, "num_heads", self.num_heads)
        return MultiHeadAttention(
            self.num_heads,
            features // self.num_heads,
            dropout=self.dropout.rate,
            rotary=rotary,
            **self._dense_options(),
        )

    def _norm(self) -> LayerNormalization:
        return LayerNormalization(epsilon=self.layer_norm_epsilon, dtype=self._lamina.dtype)

    def _make_network(self, features: int) -> None:
        self.intermediate = Dense(self.intermediate_dim, self.activation, **self._dense_options())
        self.output = Dense(features, **self._dense_options())
        self.output_norm = self._norm()

    def _dense_options(self) -> dict[str, Any]:
        return {
            "kernel_initializer": self.kernel_initializer,
            "bias_initializer": self.bias_initializer,
            "dtype": self._lamina.dtype,
        }

    def _attend(
        self,
        attention: MultiHeadAttention,
        norm: LayerNormalization,
        x: jax.Array,
        **options: Any,
    ) -> tuple[jax.Array, list[Any]]:
        """Returns an attention part's output, and a list of its weights and cache, if any.

        It is self-attention unless the options contain a ``value``.
        """
        query = norm(x) if self.normalize_first else x
        result: Any = attention(query, **{"value": query, **options})
        several = options.get("cache") is not None or options.get("return_attention_scores")
        outputs: list[Any] = list(result) if several else [result]
        total = x + self.dropout(outputs[0])
        return total if self.normalize_first else norm(total), outputs[1:]

    def _transform(self, x: jax.Array) -> jax.Array:
        """The feed-forward part."""
        y = self.output_norm(x) if self.normalize_first else x
        total = x + self.dropout(self.output(self.intermediate(y)))
        return total if self.normalize_first else self.output_norm(total)
