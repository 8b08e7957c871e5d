"""Attention without projections, and rotary position embeddings."""

from __future__ import annotations

import math
from typing import Any, Literal, Unpack, cast

import jax
import jax.numpy as jnp

from lamina.core.running.scope import decoding
from lamina.core.specs.signature import either_mode
from lamina.layer import Layer
from lamina.layers.bases.checks import check_choice, check_rank, check_shape, check_within
from lamina.layers.bases.errors import refusal
from lamina.ops.attention import additive_scores, dot_scores, masked_softmax, rotate
from lamina.ops.attention_masks import causal_mask, joint_mask
from lamina.ops.dropout import dropout
from lamina.options import LayerOptions

__all__ = ["AdditiveAttention", "Attention", "RotaryEmbedding"]


class Attention(Layer):
    """Dot-product attention without projections (Luong's attention).

    With query q, value v and key k::

        y_t = sum_s w_ts v_s,    w_t = softmax(e_t)
        e_ts = scale q_t . k_s                                          score_mode="dot"
        e_ts = concat_score_weight sum_d tanh(scale (q_td + k_sd))      score_mode="concat"

    Shapes: query ``[..., target, features]``, value ``[..., source, channels]``, key
    ``[..., source, features]`` -> ``[..., target, channels]``. Weights: ``scale []`` with
    ``use_scale``, and ``concat_score_weight []`` in mode ``"concat"``.

    Args:
        use_scale: learn ``scale``, which is 1 otherwise; False by default.
        score_mode: ``"dot"`` (default) or ``"concat"``.
        dropout: dropout rate of the attention weights, a number in [0, 1]; 0 by default.
        seed: integer folded into the random key of the dropout; None by default.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        inputs: a list ``[query, value]`` or ``[query, value, key]``; the key is the value by
            default.
        mask: a list of two bool arrays or None, ``[..., target]`` for the query and
            ``[..., source]`` for the value, False at padding. Outputs of masked queries are 0.
            Masked values have weight 0; if all are masked, all have equal weights.
        training: apply dropout; False by default.
        return_attention_scores: return the weights w as well; False by default.
        use_causal_mask: let position t attend to positions 0 to t only; False by default.

    Returns:
        The output, or ``(output, weights)`` with weights ``[..., target, source]``.

    Raises:
        InputError: an option is out of range, the inputs are not a list of two or three arrays,
            or a shape does not fit.
        LaminaError: dropout needs a random key, and the call has none.

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
        **options: Unpack[LayerOptions],
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
        valid = joint_mask(None if value_mask is None else value_mask[..., None, :], causal)
        weights = masked_softmax(self._scores(query, key), valid)
        if training and self.dropout > 0:
            rng = self.rng() if self.seed is None else jax.random.fold_in(self.rng(), self.seed)
            weights = dropout(rng, weights, self.dropout)
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
        for name, given, array in zip(("query", "value"), mask, (query, value), strict=False):
            if given is not None:
                axes = f"the {name}'s axes without the last"
                check_shape(self, f"a {name} mask", given, array.shape[:-1], axes)
        query_mask, value_mask = (
            None if given is None else given.astype(bool) for given in mask[:2]
        )
        return query_mask, value_mask

    def _check(self, shapes: Any) -> None:
        self._check_list(shapes, "input", "[query, value] or [query, value, key]")
        for shape in shapes:
            check_rank(self, shape, "time, features")

    def _check_list(self, given: Any, name: str, expected: str) -> None:
        items = cast("list[Any]", given) if isinstance(given, list | tuple) else []
        if len(items) in (2, 3) and not any(isinstance(item, int) for item in items):
            return
        raise refusal(
            self,
            f"takes a list as its {name}",
            expected=expected,
            received=f"a list of {len(items)}" if isinstance(given, list) else "not a list",
            remedy=f"Pass a list: {expected.partition(' or ')[0]}.",
        )


class AdditiveAttention(Attention):
    """Additive attention without projections (Bahdanau's attention).

    With query q, value v and key k::

        y_t = sum_s w_ts v_s,    w_t = softmax(e_t),    e_ts = sum_d scale_d tanh(q_td + k_sd)

    The attention of the paper, with projections, is :class:`lamina.seq2seq.BahdanauAttention`.

    Shapes: query ``[..., target, features]``, value ``[..., source, channels]``, key
    ``[..., source, features]`` -> ``[..., target, channels]``. Weight: ``scale [features]`` with
    ``use_scale``.

    Args:
        use_scale: learn ``scale``, which is 1 otherwise; True by default.
        dropout: dropout rate of the attention weights, a number in [0, 1]; 0 by default.
        seed: integer folded into the random key of the dropout; None by default.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        inputs: a list ``[query, value]`` or ``[query, value, key]``; the key is the value by
            default.
        mask, training, return_attention_scores, use_causal_mask: as for :class:`Attention`.

    Returns:
        The output, or ``(output, weights)`` with weights ``[..., target, source]``.

    Raises:
        InputError: an option is out of range, the inputs are not a list of two or three arrays,
            or a shape does not fit.
        LaminaError: dropout needs a random key, and the call has none.

    Source: Bahdanau, Cho, Bengio, arXiv 1409.0473.

    >>> layer = AdditiveAttention()
    >>> layer([jnp.ones((2, 4, 8)), jnp.ones((2, 5, 8))]).shape, layer.scale.shape
    ((2, 4, 8), (8,))
    """

    def __init__(
        self,
        use_scale: bool = True,
        dropout: float = 0.0,
        *,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(use_scale, dropout=dropout, seed=seed, **options)

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        self.scale = self.add_weight((input_shape[0][-1],)) if self.use_scale else None

    def _scores(self, query: jax.Array, key: jax.Array) -> jax.Array:
        return additive_scores(query, key, outer=self.scale)


class RotaryEmbedding(Layer):
    """Rotary position embedding: rotate pairs of features by angles that grow with the position.

    With ``z_i`` the complex number whose real part is feature i of the first half and whose
    imaginary part is feature i of the second half::

        y_i = z_i exp(1j (position / scaling_factor) max_wavelength^(-i / half))

    The dot product of a rotated query and a rotated key depends on the distance of their
    positions: ``MultiHeadAttention(..., rotary=RotaryEmbedding())``.

    Shapes: ``[batch, time, ..., features]``, unchanged, with an even number of features.

    Args:
        max_wavelength: wavelength of the slowest pair, in positions, divided by 2 pi; at least 1,
            10,000 by default.
        scaling_factor: number that positions are divided by; positive, 1 by default.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        inputs: ``[batch, time, ..., features]``.
        start_index: position of the first step, an integer; 0 by default.
        positions: ``[time]`` or ``[batch, time]``, instead of consecutive positions; None by
            default.

    Returns:
        The rotated inputs, in their shape and dtype.

    Raises:
        InputError: an option is out of range, or the number of features is odd.

    Source: Su et al., RoFormer, arXiv 2104.09864; scaling: Chen et al., arXiv 2306.15595.

    >>> RotaryEmbedding()(jnp.ones((2, 7, 4, 8))).shape
    (2, 7, 4, 8)
    """

    def __init__(
        self,
        max_wavelength: float = 10_000.0,
        scaling_factor: float = 1.0,
        **options: Unpack[LayerOptions],
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
                "rotates pairs of features",
                expected="an even number of features",
                received=f"{input_shape[-1]} features",
                remedy="Choose an even head size.",
            )

    def call(
        self, inputs: jax.Array, start_index: Any = 0, positions: jax.Array | None = None
    ) -> jax.Array:
        batch, time = inputs.shape[:2]
        incremental = decoding()
        if incremental is not None and time == incremental.time:
            if positions is not None:
                positions = incremental.shifted(positions)
            elif isinstance(start_index, int) and start_index == 0:
                positions = incremental.positions
        if positions is None:
            steps: jax.Array = start_index + jnp.arange(time)
        else:
            many = positions.ndim > 1
            shape, axes = ((batch, time), "batch, time") if many else ((time,), "time")
            check_shape(self, "positions", positions, shape, axes)
            steps = positions
        scaled = steps.astype(jnp.float32) / self.scaling_factor
        return rotate(inputs, scaled, max_wavelength=self.max_wavelength)
