"""Attention whose heads share keys and values in groups."""

from __future__ import annotations

from typing import Any

from lamina import initializers
from lamina.layer import Layer
from lamina.layers.attention.multi_head import MultiHeadAttention
from lamina.layers.bases.checks import check_count, check_multiple, check_rank

__all__ = ["GroupQueryAttention", "GroupedQueryAttention"]


class GroupedQueryAttention(MultiHeadAttention):
    """Multi-head attention in which several heads look at the same keys and values.

    As :class:`MultiHeadAttention`, with ``num_query_heads`` heads of queries; head n looks at
    keys and values of head ``n // (num_query_heads / num_key_value_heads)``, so that a cache is
    that many times smaller.

    Shapes: query ``[batch, target, features]``, value and key ``[batch, source, channels]`` ->
    ``[batch, target, features]``. Weights: ``query.kernel [features, num_query_heads, head_dim]``,
    ``key.kernel`` and ``value.kernel [channels, num_key_value_heads, head_dim]``,
    ``attention_output.kernel [num_query_heads, head_dim, features]``, and their biases.

    Args:
        head_dim: the size of a head.
        num_query_heads: how many heads of queries there are.
        num_key_value_heads: how many of keys and values; a divisor of ``num_query_heads``.
        dropout: the probability that a weight is dropped while training.
        use_bias: whether the projections have biases.
        sliding_window: how many places one sees to each side, one's own counted; all if None.
        flash_attention: as for :class:`MultiHeadAttention`.
        kernel_initializer: of the projections' ``kernel``.
        bias_initializer: of the projections' ``bias``.
        use_gate: whether each head's mean is multiplied by ``sigmoid(gate(query))``.
        seed: mixed into the call's key, to tell two layers apart that share one key.
        rotary: a layer that places queries and keys, such as a RotaryEmbedding.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes what :class:`MultiHeadAttention`'s takes.

    Raises:
        InputError: an option is out of range, the heads do not part evenly, or a shape does not
            fit.
        LaminaError: dropout is asked for and no random key is in reach while training.

    Source: Ainslie et al., arXiv 2305.13245.

    >>> import jax.numpy as jnp
    >>> layer = GroupedQueryAttention(head_dim=4, num_query_heads=6, num_key_value_heads=2)
    >>> x = jnp.ones((3, 5, 8))
    >>> layer(x, x).shape, layer.key.kernel.shape
    ((3, 5, 8), (8, 2, 4))
    """

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
        **options: Any,
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
