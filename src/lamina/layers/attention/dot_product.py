"""Attention without projections, and positions as rotations."""

from __future__ import annotations

import math
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp

from lamina.core.specs.signature import either_mode
from lamina.layer import Layer
from lamina.layers.bases.checks import check_choice, check_rank, check_shape, check_within
from lamina.layers.bases.errors import refusal
from lamina.ops.attention import additive_scores, dot_scores, masked_softmax, rotate
from lamina.ops.attention_masks import causal_mask, joint_mask
from lamina.ops.dropout import dropout

__all__ = ["AdditiveAttention", "Attention", "RotaryEmbedding"]


class Attention(Layer):
    """Means of values, weighed by how well each key answers a query (Luong's attention).

    ``y_t = sum_s w_ts v_s`` with ``w_t = softmax(e_t)`` and, by ``score_mode``::

        dot:     e_ts = scale q_t . k_s
        concat:  e_ts = concat_score_weight sum_d tanh(scale (q_td + k_sd))

    Shapes: a list of query q ``[..., target, features]``, value v ``[..., source, channels]`` and
    key k ``[..., source, features]``, the value if left out -> ``[..., target, channels]``;
    weights ``scale []`` and ``concat_score_weight []``, where they are asked for.

    Args:
        use_scale: whether there is a ``scale``; it is 1 otherwise.
        score_mode: ``"dot"`` or ``"concat"``.
        dropout: the probability that a weight is dropped while training.
        seed: mixed into the call's key, to tell two layers apart that share one key.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``mask``, a list of bools for query ``[..., target]`` and value ``[..., source]``,
    either of them None: outputs of masked queries are 0, masked values weigh 0, and where all
    are masked all weigh the same. ``return_attention_scores`` gives the weights, too,
    ``[..., target, source]``; ``use_causal_mask`` lets place t see places 0 to t alone.

    Raises:
        InputError: an option is out of range, the inputs are not a list of two or three arrays,
            or a shape does not fit.
        LaminaError: dropout is asked for and no random key is in reach while training.

    Source: Luong, Pham, Manning, arXiv 1508.04025.

    >>> output, weights = Attention()(
    ...     [jnp.ones((2, 4, 8)), jnp.ones((2, 5, 8))], return_attention_scores=True
    ... )
    >>> output.shape, weights.shape
    ((2, 4, 8), (2, 4, 5))
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: Literal["dot", "concat"] = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.use_scale = use_scale
        self.score_mode = check_choice(self, "score_mode", score_mode, ("dot", "concat"))
        self.dropout = check_within(self, "dropout", dropout)
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        concat = self.score_mode == "concat"
        self.scale = self.add_weight((), "ones") if self.use_scale else None
        self.concat_score_weight = self.add_weight((), "ones") if concat else None

    @either_mode
    def call(
        self,
        inputs: list[jax.Array],
        mask: list[jax.Array | None] | None = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        query, value, *rest = inputs
        key = rest[0] if rest else value
        check_shape(self, "a key", key, (*value.shape[:-1], query.shape[-1]), "source, features")
        query_mask, value_mask = self._masks(mask, query, value)
        causal = causal_mask(query.shape[-2], key.shape[-2]) if use_causal_mask else None
        kept = joint_mask(None if value_mask is None else value_mask[..., None, :], causal)
        weights = masked_softmax(self._scores(query, key), kept)
        if training and self.dropout > 0:
            random = self.rng() if self.seed is None else jax.random.fold_in(self.rng(), self.seed)
            weights = dropout(random, weights, self.dropout)
        output = jnp.matmul(weights, value)
        if query_mask is not None:
            output = jnp.where(query_mask[..., None], output, 0)
        return (output, weights) if return_attention_scores else output

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return mask[0] if mask else None

    def _scores(self, query: jax.Array, key: jax.Array) -> jax.Array:
        if self.score_mode == "dot":
            return dot_scores(query, key, self.scale)
        return additive_scores(query, key, inner=self.scale, outer=self.concat_score_weight)

    def _masks(
        self, mask: Any, query: jax.Array, value: jax.Array
    ) -> tuple[jax.Array | None, jax.Array | None]:
        if mask is None:
            return None, None
        self._check_list(mask, "mask", "[query_mask, value_mask]")
        for what, one, array in zip(("query", "value"), mask, (query, value), strict=False):
            if one is not None:
                axes = f"the {what}'s axes but the last"
                check_shape(self, f"a {what} mask", one, array.shape[:-1], axes)
        query_mask, value_mask = (None if one is None else one.astype(bool) for one in mask[:2])
        return query_mask, value_mask

    def _check(self, shapes: Any) -> None:
        self._check_list(shapes, "input", "[query, value] or [query, value, key]")
        for shape in shapes:
            check_rank(self, shape, "places, features")

    def _check_list(self, given: Any, what: str, expected: str) -> None:
        many = cast("list[Any]", given) if isinstance(given, list | tuple) else []
        if len(many) in (2, 3) and not any(isinstance(one, int) for one in many):
            return
        raise refusal(
            self,
            f"takes a list of several as its {what}",
            expected=expected,
            received=f"{len(many)} in a list" if isinstance(given, list) else "no list",
            remedy=f"Put them into a list: {expected.partition(' or ')[0]}.",
        )


class AdditiveAttention(Attention):
    """Means of values, weighed by a small network on query and key (Bahdanau's attention).

    ``y_t = sum_s w_ts v_s`` with ``w_t = softmax(e_t)`` and ``e_ts = sum_d scale_d tanh(q_td +
    k_sd)``. Nothing is projected: :class:`lamina.seq2seq.BahdanauAttention` is the paper's.

    Shapes: as for :class:`Attention`; weight ``scale [features]``.

    Args:
        use_scale: whether there is a ``scale``; it is 1 otherwise.
        dropout: the probability that a weight is dropped while training.
        **options: ``seed``, as for :class:`Attention`; ``name``, ``trainable`` and ``dtype``, as
            for any layer.

    Call takes what :class:`Attention`'s takes.

    Raises:
        InputError: an option is out of range, the inputs are not a list of two or three arrays,
            or a shape does not fit.
        LaminaError: dropout is asked for and no random key is in reach while training.

    Source: Bahdanau, Cho, Bengio, arXiv 1409.0473.

    >>> layer = AdditiveAttention()
    >>> layer([jnp.ones((2, 4, 8)), jnp.ones((2, 5, 8))]).shape, layer.scale.shape
    ((2, 4, 8), (8,))
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **options: Any) -> None:
        super().__init__(use_scale, dropout=dropout, **options)

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        self.scale = self.add_weight((input_shape[0][-1],)) if self.use_scale else None

    def _scores(self, query: jax.Array, key: jax.Array) -> jax.Array:
        return additive_scores(query, key, outer=self.scale)


class RotaryEmbedding(Layer):
    """Turn pairs of features by angles that grow with the position.

    With ``z_i`` made of feature i of the first half and feature i of the second, ``y_i = z_i
    exp(1j (position / scaling_factor) max_wavelength^(-i / half))``. On queries and keys it makes
    their products depend on their distance: ``MultiHeadAttention(..., rotary=RotaryEmbedding())``.

    Shapes: ``[batch, time, ..., features]``, unchanged.

    Args:
        max_wavelength: of the slowest pair, in positions, over 2 pi.
        scaling_factor: what positions are divided by.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``start_index``, the position of the first place, and ``positions``, ``[time]`` or
    ``[batch, time]``, instead of the places' own.

    Raises:
        InputError: an option is out of range, or the features are odd in number.

    Source: Su et al., RoFormer, arXiv 2104.09864; scaling after Chen et al., arXiv 2306.15595.

    >>> RotaryEmbedding()(jnp.ones((2, 7, 4, 8))).shape
    (2, 7, 4, 8)
    """

    def __init__(
        self, max_wavelength: float = 10_000.0, scaling_factor: float = 1.0, **options: Any
    ) -> None:
        super().__init__(**options)
        self.max_wavelength = check_within(
            self, "max_wavelength", max_wavelength, low=1.0, high=math.inf
        )
        self.scaling_factor = check_within(
            self, "scaling_factor", scaling_factor, low=1e-6, high=math.inf
        )

    def build(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "batch, time, features")
        if input_shape[-1] is not None and input_shape[-1] % 2 == 1:
            raise refusal(
                self,
                "turns pairs of features",
                expected="an even number of features",
                received=f"{input_shape[-1]} features",
                remedy="Choose an even size of a head.",
            )

    def call(
        self, inputs: jax.Array, start_index: Any = 0, positions: jax.Array | None = None
    ) -> jax.Array:
        batch, time = inputs.shape[:2]
        if positions is None:
            places: jax.Array = start_index + jnp.arange(time)
        else:
            shape, axes = (
                ((batch, time), "batch, time") if positions.ndim > 1 else ((time,), "time")
            )
            check_shape(self, "positions", positions, shape, axes)
            places = positions
        scaled = places.astype(jnp.float32) / self.scaling_factor
        return rotate(inputs, scaled, max_wavelength=self.max_wavelength)
