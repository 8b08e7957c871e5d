"""Multi-head attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import jax
import jax.numpy as jnp

from lamina import initializers
from lamina.core.running.scope import decoding
from lamina.core.specs.signature import either_mode
from lamina.layer import Layer
from lamina.layers.attention.cache import Cache, check_cache, empty_cache, extended, filled_mask
from lamina.layers.attention.decoding import attend_incrementally
from lamina.layers.attention.heads import attend_heads, no_fused_kernel
from lamina.layers.attention.masks import check_sources, pair_mask, source_mask, target_mask
from lamina.layers.attention.projection import Projection
from lamina.layers.bases.checks import (
    check_axes,
    check_choice,
    check_count,
    check_integers,
    check_rank,
    check_within,
)
from lamina.layers.bases.errors import refusal
from lamina.layers.bases.options import KernelOptions
from lamina.layers.bases.weights import Weighted
from lamina.ops.attention_masks import (
    distance_mask,
    fold_axes,
    joint_mask,
    unfold_axes,
    unfold_weights,
)

__all__ = ["MultiHeadAttention"]


class MultiHeadAttention(Weighted):
    """Multi-head scaled dot-product attention.

    With ``q = query(query)``, ``k = key(key)`` and ``v = value(value)``, for each head n::

        w_tn = softmax_s(q_tn . k_sn / sqrt(key_dim))
        y_t  = attention_output(sum_s w_tns v_sn, over all n)

    Shapes: query ``[batch, target, features]``, value and key ``[batch, source, channels]`` ->
    ``[batch, target, features]``. Weights, under Keras's paths with dots for slashes:
    ``query.kernel [features, num_heads, key_dim]``, ``query.bias [num_heads, key_dim]``, the same
    for ``key`` and, with value_dim, ``value``; ``attention_output.kernel [num_heads, value_dim,
    features]`` and ``attention_output.bias [features]``.

    Args:
        num_heads: number of heads, a positive integer.
        key_dim: size of each head's queries and keys, a positive integer.
        value_dim: size of each head's values, a positive integer; ``key_dim`` if None (default).
        dropout: dropout rate of the attention weights, a number in [0, 1]; 0 by default.
        use_bias: add biases to the projections; True by default.
        output_shape: size of the output's last axis, or sizes of its last axes; the query's
            features if None (default).
        attention_axes: axis or axes over which attention runs; all except the first and the last
            if None (default). Several axes are flattened to one, the last varying fastest.
        sliding_window: number of positions visible to each side, including the position itself, a
            positive integer; None (default) for all.
        flash_attention: True for cuDNN's fused kernel (a GPU and half precision), an error where
            it is not supported; False to never use it; None (default) for the fastest program
            that is supported.
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
        query: ``[batch, target, features]``.
        value: ``[batch, source, channels]``; None to attend to the cache only.
        key: ``[batch, source, channels]``; the value by default.
        query_mask: bool ``[batch, target]``, False at padding, where the output has no meaning;
            None by default.
        value_mask, key_mask: bool ``[batch, source]``, False at padding; None by default.
        attention_mask: bool, broadcast against ``[batch, heads, target, source]``, or
            ``[batch, target, source]``; a query that may attend to no position has weights 0. None
            by default.
        return_attention_scores: return the weights w, before dropout; False by default.
        training: apply dropout; False by default.
        use_causal_mask: let position t attend to positions 0 to t only; False by default.
        cache: cache of :meth:`make_cache`, to which keys and values are appended. The query starts
            at the first new position, and masks are over the positions of the cache. None by
            default.

    As in Keras, the masks of query, value and key are removed from these arrays by the call. Layers
    that are called on the same arrays later receive them by ``mask=`` only. In a functional model,
    later layers whose call has an argument ``mask`` still receive them; further attention does not.

    Returns:
        The output, or a tuple of the output, the weights ``[batch, heads, target, source]`` if
        they were requested, and the new cache if one was passed.

    Raises:
        InputError: an option is out of range, or a shape does not fit.
        LaminaError: dropout needs a random key, and the call has none.
        UnknownNameError: an initializer, regularizer or constraint is unknown.

    Source: Vaswani et al., arXiv 1706.03762; gates: Qiu et al., arXiv 2505.06708.

    >>> layer = MultiHeadAttention(num_heads=2, key_dim=4)
    >>> x = jnp.ones((3, 5, 8))
    >>> layer(x, x, use_causal_mask=True).shape, layer.query.kernel.shape
    ((3, 5, 8), (8, 2, 4))
    >>> y, cache = layer(x, x, cache=layer.make_cache(3, 16), use_causal_mask=True)
    >>> y.shape, int(cache["length"])
    ((3, 5, 8), 5)
    """

    supports_masking = True
    _hides_masks = True
    _removes_masks = True  # as in Keras

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
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
        self._activity_regularizer = options.pop("activity_regularizer", None)
        super().__init__(**options)
        self.num_heads = check_count(self, "num_heads", num_heads)
        self.key_dim = check_count(self, "key_dim", key_dim)
        self.value_dim = check_count(self, "value_dim", key_dim if value_dim is None else value_dim)
        self.dropout = check_within(self, "dropout", dropout)
        self.use_bias = use_bias
        if output_shape is not None:
            sizes = check_integers(self, "output_shape", output_shape)
            output_shape = tuple(check_count(self, "output_shape", size) for size in sizes)
        self.output_shape = output_shape
        if attention_axes is not None:
            attention_axes = check_integers(self, "attention_axes", attention_axes)
        self.attention_axes = attention_axes
        if sliding_window is not None:
            sliding_window = check_count(self, "sliding_window", sliding_window)
        self.sliding_window = sliding_window
        self.flash_attention = check_choice(
            self, "flash_attention", flash_attention, (None, True, False)
        )
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.use_gate = use_gate
        self.seed = seed
        self.rotary = rotary
        if flash_attention and dropout > 0:
            raise no_fused_kernel(self, f"dropout={dropout}")
        self.query = self._projection((num_heads, key_dim))
        self.key = self._projection((num_heads, key_dim))
        self.gate = self._projection((num_heads, self.value_dim)) if use_gate else None
        self.value = self._projection((num_heads, self.value_dim))

    def build(self, query_shape: Any, value_shape: Any = None, key_shape: Any = None) -> None:
        check_rank(self, query_shape, "batch, time, features")
        axes = ", ".join(["batch", *["time"] * (len(query_shape) - 2), "features"])
        for shape in (value_shape, key_shape):
            if shape is not None:
                check_rank(self, shape, axes, exactly=True)
        self._axes(len(query_shape))
        features: tuple[int, ...] = self.output_shape or (query_shape[-1],)
        self.attention_output = self._projection(features, axes=2)

    @either_mode
    def call(
        self,
        query: jax.Array,
        value: jax.Array | None,
        key: jax.Array | None = None,
        query_mask: jax.Array | None = None,
        value_mask: jax.Array | None = None,
        key_mask: jax.Array | None = None,
        attention_mask: jax.Array | None = None,
        return_attention_scores: bool = False,
        training: bool = False,
        use_causal_mask: bool = False,
        cache: Cache | None = None,
    ) -> Any:
        axes, target = self._axes(query.ndim), query.shape[:-1]
        if use_causal_mask and cache is None and decoding() is not None:
            heads = attend_incrementally(
                self, query, value, key,
                query_mask=query_mask, value_mask=joint_mask(value_mask, key_mask),
                others=(attention_mask is not None) + return_attention_scores,
            )  # fmt: skip
            return self._joined(query, heads)
        if cache is not None:
            check_cache(self, cache, query, value, self.key.shape, self.value.shape)
        start = 0 if cache is None else cache["length"]
        keys, values, source, cache = self._keys_and_values(query, value, key, axes, cache)
        queries = self._rotated(fold_axes(self.query(query), axes), start)
        after_cached = use_causal_mask and cache is not None  # queries start behind the cached keys
        mask = joint_mask(
            distance_mask(
                queries.shape[1], keys.shape[1], start, self.sliding_window, after_cached
            ),
            filled_mask(cache),
            source_mask(self, "value", value_mask, source, axes),
            source_mask(self, "key", key_mask, source, axes),
            pair_mask(self, attention_mask, self.num_heads, target, source, axes),
        )
        heads, weights = attend_heads(
            self, queries, keys, values, mask, target_mask(self, query_mask, target, axes),
            causal=use_causal_mask and cache is None,
            return_weights=return_attention_scores, training=training,
        )  # fmt: skip
        output, scores = self._joined(query, unfold_axes(heads, axes, target)), []
        if return_attention_scores and weights is not None:
            scores = [unfold_weights(weights, axes, target, source)]
        outputs = (output, *scores, *([] if cache is None else [cache]))
        return outputs if len(outputs) > 1 else output

    @property
    def query_dense(self) -> Projection:
        """The projection of the query, under its name in Keras."""
        return self.query

    @property
    def key_dense(self) -> Projection:
        """The projection of the key, under its name in Keras."""
        return self.key

    @property
    def value_dense(self) -> Projection:
        """The projection of the value, under its name in Keras."""
        return self.value

    @property
    def output_dense(self) -> Projection:
        """The projection of the output, under its name in Keras; it exists after the build."""
        return self.attention_output

    def _joined(self, query: jax.Array, heads: jax.Array) -> jax.Array:
        """The output projection of all heads, after the gate."""
        if self.gate is not None:
            heads = heads * jax.nn.sigmoid(self.gate(query))
        return self.attention_output(heads)

    def make_cache(self, batch: int, room: int, dtype: Any = None) -> Cache:
        """Returns an empty cache of keys and values.

        Args:
            batch: size of the batch.
            room: number of positions that the cache can hold.
            dtype: dtype of keys and values; the layer's dtype if None (default).

        >>> MultiHeadAttention(2, 4).make_cache(3, 16)["key"].shape
        (3, 16, 2, 4)
        """
        return empty_cache(
            batch, room, self.key.shape, self.value.shape, dtype or self._lamina.dtype or "float32"
        )

    def remember(self, value: jax.Array, key: jax.Array | None = None) -> Cache:
        """Returns a full cache of a sequence's keys and values, for calls with ``value=None``.

        Args:
            value: ``[batch, source, channels]``.
            key: ``[batch, source, channels]``; the value by default.
        """
        keys, values, (_, time), _ = self._keys_and_values(value, value, key, (1,), None)
        return {"key": keys, "value": values, "length": jnp.asarray(time, jnp.int32)}

    def _keys_and_values(
        self, query: jax.Array, value: Any, key: Any, axes: tuple[int, ...], cache: Cache | None
    ) -> tuple[jax.Array, jax.Array, tuple[int, ...], Cache | None]:
        """Returns folded keys and values, the shape of their positions, and the new cache."""
        if value is not None:
            check_sources(self, query, value, key, axes)
            start = 0 if cache is None else cache["length"]
            keys = self._rotated(fold_axes(self.key(value if key is None else key), axes), start)
            values = fold_axes(self.value(value), axes)
            if cache is None:
                return keys, values, value.shape[:-1], None
            cache = extended(cache, keys, values)
        if cache is None:
            raise refusal(
                self,
                "got no value to attend to",
                expected="a value, or a cache of previous keys and values",
                received="value=None and no cache",
                remedy="Pass a value; for self-attention, pass the query.",
            )
        return cache["key"], cache["value"], cache["key"].shape[:2], cache

    def _rotated(self, heads: jax.Array, start: Any) -> jax.Array:
        return heads if self.rotary is None else self.rotary(heads, start_index=start)

    def _projection(self, shape: Sequence[int], axes: int = 1) -> Projection:
        options: dict[str, Any] = self._options_of("kernel", "bias")
        options["dtype"] = self._lamina.dtype
        options["activity_regularizer"] = self._activity_regularizer
        return Projection(shape, axes, self.use_bias, **options)

    def _axes(self, rank: int) -> tuple[int, ...]:
        """The attention axes, counted from the front."""
        if self.attention_axes is None:
            return tuple(range(1, rank - 1))
        check_axes(self, self.attention_axes, rank)
        axes = tuple(axis % rank for axis in self.attention_axes)
        return check_axes(self, axes, rank - 1) and axes  # the last axis is the features
