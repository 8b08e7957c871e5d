"""Grouped-query attention."""

from __future__ import annotations

from typing import Any, Unpack

from lamina import initializers
from lamina.layer import Layer
from lamina.layers.attention.multi_head import MultiHeadAttention
from lamina.layers.bases.checks import check_count, check_multiple, check_rank
from lamina.layers.bases.options import KernelOptions

__all__ = ["GroupQueryAttention", "GroupedQueryAttention"]


class GroupedQueryAttention(MultiHeadAttention):
    """Multi-head attention whose query heads share key and value heads in groups.

    The equations are those of :class:`MultiHeadAttention`. Query head n uses key and value head
    ``n // (num_query_heads / num_key_value_heads)``, which makes a cache smaller by that factor.

    Shapes: query ``[batch, target, features]``, value and key ``[batch, source, channels]`` ->
    ``[batch, target, features]``. Weights: ``query.kernel [features, num_query_heads, head_dim]``,
    ``key.kernel`` and ``value.kernel [channels, num_key_value_heads, head_dim]``,
    ``attention_output.kernel [num_query_heads, head_dim, features]``, and their biases.

    Args:
        head_dim: size of each head, a positive integer.
        num_query_heads: number of query heads, a positive integer.
        num_key_value_heads: number of key and value heads, a divisor of ``num_query_heads``.
        dropout: dropout rate of the attention weights, a number in [0, 1]; 0 by default.
        use_bias: add biases to the projections; True by default.
        sliding_window: number of positions visible to each side, including the position itself, a
            positive integer; None (default) for all.
        flash_attention: True for cuDNN's fused kernel, an error where it is not supported; False
            to never use it; None (default) for the fastest program that is supported.
        kernel_initializer: initializer of the projections' ``kernel``; ``"glorot_uniform"`` by
            default.
        bias_initializer: initializer of the projections' ``bias``; ``"zeros"`` by default.
        use_gate: multiply each head's output by ``sigmoid(gate(query))``; False by default.
        seed: integer folded into the random key of the dropout; None by default.
        rotary: layer applied to queries and keys as ``rotary(heads, start_index=...)``, such as
            RotaryEmbedding; None by default.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties of each projection,
            added to the loss; None by default.
        kernel_constraint, bias_constraint: functions applied to the projections' weights after
            each training step; None by default.
        **options: ``name``, ``trainable`` and ``dtype`` of :class:`lamina.Layer`.

    Call args:
        query, value, key, and the others: as for :class:`MultiHeadAttention`.

    Returns:
        As :class:`MultiHeadAttention`.

    Raises:
        InputError: an option is out of range, ``num_key_value_heads`` does not divide
            ``num_query_heads``, or a shape does not fit.
        LaminaError: dropout needs a random key, and the call has none.
        UnknownNameError: an initializer, regularizer or constraint is unknown.

    Source: Ainslie et al., arXiv 2305.13245.

    >>> import jax.numpy as jnp
    >>> layer = GroupedQueryAttention(head_dim=4, num_query_heads=6, num_key_value_heads=2)
    >>> x = jnp.ones((3, 5, 8))
    >>> layer(x, x).shape, layer.key.kernel.shape
    ((3, 5, 8), (8, 2, 4))
    """

    _removes_masks = False

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        *,
        use_gate: bool = False,
        seed: int | None = None,
        rotary: Layer | None = None,
        **options: Unpack[KernelOptions],
    ) -> None:
        self.head_dim = check_count(self, "head_dim", head_dim)
        self.num_query_heads = check_count(self, "num_query_heads", num_query_heads)
        self.num_key_value_heads = check_count(self, "num_key_value_heads", num_key_value_heads)
        check_multiple(
            self, "query heads", num_query_heads, "num_key_value_heads", num_key_value_heads
        )
        super().__init__(
            num_query_heads,
            head_dim,
            dropout=dropout,
            use_bias=use_bias,
            sliding_window=sliding_window,
            flash_attention=flash_attention,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            use_gate=use_gate,
            seed=seed,
            rotary=rotary,
            **options,
        )
        self.key = self._projection((num_key_value_heads, head_dim))
        self.value = self._projection((num_key_value_heads, head_dim))

    def build(self, query_shape: Any, value_shape: Any = None, key_shape: Any = None) -> None:
        check_rank(self, query_shape, "batch, time, features", exactly=True)
        super().build(query_shape, value_shape, key_shape)


GroupQueryAttention = GroupedQueryAttention
