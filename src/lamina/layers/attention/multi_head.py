"""Attention of several heads, each on projections of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina import initializers
from lamina.core.specs.signature import either_mode
from lamina.errors import InputError
from lamina.layer import Layer
from lamina.layers.attention.cache import Cache, check_cache, empty_cache, extended, filled_mask
from lamina.layers.attention.inputs import (
    check_sources,
    mask_of_pairs,
    mask_of_source,
    mask_of_target,
)
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
from lamina.layers.bases.weights import Weighted
from lamina.ops.attention import attend, attention_weights, weighted_heads
from lamina.ops.attention_masks import (
    causal_mask,
    distance_mask,
    fold_axes,
    joint_mask,
    unfold_axes,
    unfold_weights,
)
from lamina.ops.dropout import dropout

__all__ = ["MultiHeadAttention"]


class MultiHeadAttention(Weighted):
    """Means of values, weighed by how well keys answer queries, in several heads at once.

    With ``q = query(query)``, ``k = key(key)`` and ``v = value(value)``, each head n of its own::

        w_tn = softmax_s(q_tn . k_sn / sqrt(key_dim))
        y_t  = attention_output(sum_s w_tns v_sn, over all n)

    Shapes: query ``[batch, target, features]``, value and key ``[batch, source, channels]`` ->
    ``[batch, target, features]``. Weights: ``query.kernel [features, num_heads, key_dim]`` and
    ``query.bias [num_heads, key_dim]``, the same for ``key`` and, with value_dim, ``value``;
    ``attention_output.kernel [num_heads, value_dim, features]`` and ``attention_output.bias
    [features]``. These are Keras's paths with dots for slashes.

    Args:
        num_heads: how many heads there are.
        key_dim: the size of a head's queries and keys.
        value_dim: the size of a head's values; ``key_dim`` if None.
        dropout: the probability that a weight w is dropped while training.
        use_bias: whether the projections have biases.
        output_shape: the output's axes after its places; the query's features if None.
        attention_axes: the axes that attention goes over, where arrays have more than one; all
            but the first and the last if None. Places on several axes count as one row, the last
            axis the fastest.
        sliding_window: how many places one sees to each side, one's own counted; all if None.
        flash_attention: True asks for cuDNN's fused kernel (a GPU, half precision) or fails, False
            for none; None takes what serves.
        kernel_initializer: of the projections' ``kernel``.
        bias_initializer: of the projections' ``bias``.
        use_gate: whether each head's mean is multiplied by ``sigmoid(gate(query))``.
        seed: mixed into the call's key, to tell two layers apart that share one key.
        rotary: a layer that places queries and keys, called with them and ``start_index=``, such
            as a RotaryEmbedding.
        **options: ``kernel_regularizer``, ``activity_regularizer`` and their like, of each of the
            projections; ``name`` and the others of any layer.

    Call takes ``key``, the value if left out; bools ``query_mask [batch, target]``,
    ``value_mask`` and ``key_mask [batch, source]``, and ``attention_mask``, which broadcasts
    against ``[batch, heads, target, source]`` (``[batch, target, source]`` and ``[target,
    source]`` serve): a query that may see no place gets the mean of all values.
    ``use_causal_mask`` lets place t see places 0 to t alone. ``return_attention_scores`` gives
    the weights w before dropout, too. With ``cache``, from :meth:`make_cache`, keys and values
    are written behind those it holds, queries stand where the first of them is written and see
    all that it holds, and the new cache is the last output; masks then are over its places, and
    without a value the cache is taken as it is.

    Raises:
        InputError: an option is out of range, or a shape does not fit.
        LaminaError: dropout is asked for and no random key is in reach while training.

    Source: Vaswani et al., arXiv 1706.03762; gates after Qiu et al., arXiv 2505.06708.

    >>> layer = MultiHeadAttention(num_heads=2, key_dim=4)
    >>> x = jnp.ones((3, 5, 8))
    >>> layer(x, x, use_causal_mask=True).shape, layer.query.kernel.shape
    ((3, 5, 8), (8, 2, 4))
    >>> y, cache = layer(x, x, cache=layer.make_cache(3, 16), use_causal_mask=True)
    >>> y.shape, int(cache["length"])
    ((3, 5, 8), 5)
    """

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
        **options: Any,
    ) -> None:
        self.activity_regularizer = options.pop("activity_regularizer", None)
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
            raise self._unfused(f"dropout={dropout}, and a kernel that drops nothing")
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
        if cache is not None:
            check_cache(self, cache, query, value, self.key.shape, self.value.shape)
        start = 0 if cache is None else cache["length"]
        keys, values, source, cache = self._held(query, value, key, axes, cache)
        queries = self._placed(fold_axes(self.query(query), axes), start)
        causal, scored = use_causal_mask and cache is None, return_attention_scores
        past = use_causal_mask and cache is not None
        mask = joint_mask(
            distance_mask(queries.shape[1], keys.shape[1], start, self.sliding_window, past),
            filled_mask(cache),
            mask_of_target(self, query_mask, target, axes),
            mask_of_source(self, "value", value_mask, source, axes),
            mask_of_source(self, "key", key_mask, source, axes),
            mask_of_pairs(self, attention_mask, self.num_heads, target, source, axes),
        )
        means, weights = self._attend(queries, keys, values, mask, causal, scored, training)
        means = unfold_axes(means, axes, target)
        if self.gate is not None:
            means = means * jax.nn.sigmoid(self.gate(query))
        output = self.attention_output(means)
        scores = [unfold_weights(weights, axes, target, source)] if scored else []
        outputs = (output, *scores, *([] if cache is None else [cache]))
        return outputs if len(outputs) > 1 else output

    def make_cache(self, batch: int, room: int, dtype: Any = None) -> Cache:
        """An empty cache for sequences of up to ``room`` places, in the layer's dtype if None.

        >>> MultiHeadAttention(2, 4).make_cache(3, 16)["key"].shape
        (3, 16, 2, 4)
        """
        return empty_cache(
            batch, room, self.key.shape, self.value.shape, dtype or self._lamina.dtype or "float32"
        )

    def remember(self, value: jax.Array, key: jax.Array | None = None) -> Cache:
        """A full cache of what one sequence gives, for calls that look at it without a value."""
        keys, values, (_, time), _ = self._held(value, value, key, (1,), None)
        return {"key": keys, "value": values, "length": jnp.asarray(time, jnp.int32)}

    def _held(
        self, query: jax.Array, value: Any, key: Any, axes: tuple[int, ...], cache: Cache | None
    ) -> tuple[jax.Array, jax.Array, tuple[int, ...], Cache | None]:
        """Folded keys and values to look at, the sizes of their places, the cache with them."""
        if value is not None:
            check_sources(self, query, value, key, axes)
            start = 0 if cache is None else cache["length"]
            keys = self._placed(fold_axes(self.key(value if key is None else key), axes), start)
            values = fold_axes(self.value(value), axes)
            if cache is None:
                return keys, values, value.shape[:-1], None
            cache = extended(cache, keys, values)
        if cache is None:
            raise refusal(
                self,
                "has nothing to look at",
                expected="a value, or a cache of what came before",
                received="value=None and no cache",
                remedy="Pass a value; for attention of a sequence to itself, the query.",
            )
        return cache["key"], cache["value"], cache["key"].shape[:2], cache

    def _placed(self, heads: jax.Array, start: Any) -> jax.Array:
        return heads if self.rotary is None else self.rotary(heads, start_index=start)

    def _attend(
        self,
        queries: jax.Array,
        keys: jax.Array,
        values: jax.Array,
        mask: jax.Array | None,
        causal: bool,
        scored: bool,
        training: bool,
    ) -> tuple[jax.Array, Any]:
        """The heads' means, and their weights where something needs them."""
        scale = 1 / math.sqrt(self.key_dim)
        dropping = training and self.dropout > 0
        if not scored and not dropping:
            fused = self.flash_attention
            try:
                arrays = (queries, keys, values, mask)
                return attend(*arrays, scale=scale, causal=causal, fused=fused), None
            except (NotImplementedError, RuntimeError, ValueError) as error:
                if not self.flash_attention:
                    raise
                raise self._unfused(str(error)) from error
        if self.flash_attention:
            raise self._unfused("return_attention_scores=True, and a kernel that keeps no scores")
        if causal:
            mask = joint_mask(mask, causal_mask(queries.shape[1], keys.shape[1]))
        weights = attention_weights(queries, keys, mask, scale=scale)
        if not dropping:
            return weighted_heads(weights, values), weights
        key = self.rng() if self.seed is None else jax.random.fold_in(self.rng(), self.seed)
        return weighted_heads(dropout(key, weights, self.dropout), values), weights

    def _projection(self, shape: Sequence[int], axes: int = 1) -> Projection:
        options: dict[str, Any] = self._options_of("kernel", "bias")
        options["dtype"] = self._lamina.dtype
        options["activity_regularizer"] = self.activity_regularizer
        return Projection(shape, axes, self.use_bias, **options)

    def _axes(self, rank: int) -> tuple[int, ...]:
        """The axes that attention goes over, counted from the front."""
        if self.attention_axes is None:
            return tuple(range(1, rank - 1))
        check_axes(self, self.attention_axes, rank)
        axes = tuple(axis % rank for axis in self.attention_axes)
        return check_axes(self, axes, rank - 1) and axes  # the last holds the features

    def _unfused(self, received: str) -> InputError:
        return refusal(
            self,
            "asks for cuDNN's fused kernel where it does not serve",
            expected="a GPU, half precision, heads that it takes, no dropout, no scores",
            received=received,
            remedy="Leave flash_attention out.",
        )
