"""Attention: scores of keys for a query, and the mean of values that they weigh."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.arrays import Operand, cast, float_dtype
from lamina.ops.attention_masks import causal_mask, joint_mask

__all__ = [
    "additive_scores",
    "attend",
    "attention_weights",
    "dot_scores",
    "masked_softmax",
    "rotate",
    "weighted_heads",
    "weighted_values",
    "write_rows",
]


def masked_softmax(scores: jax.Array, mask: Operand | None = None) -> jax.Array:
    """Weights along the last axis: ``w_i = exp(e_i) / sum_j exp(e_j)`` over kept places.

    Args:
        scores: ``[..., source]``, e.
        mask: bool, broadcasts against the scores; places where it is False weigh 0. A row with
            no place at all has equal weights, not NaN.

    Returns:
        The shape and dtype of the scores, each row of sum 1, computed in at least float32.

    >>> masked_softmax(jnp.array([2.0, 2.0, 9.0]), jnp.array([True, True, False])).tolist()
    [0.5, 0.5, 0.0]
    """
    wide = cast(scores, jnp.promote_types(scores.dtype, jnp.float32))
    if mask is not None:
        # Finite, so that a row of it alone is no NaN.
        lowest = float(jnp.finfo(wide.dtype).min)  # pyright: ignore[reportUnknownArgumentType]
        wide = jnp.where(cast(mask, bool), wide, lowest)
    return cast(jax.nn.softmax(wide, axis=-1), scores.dtype)


def weighted_values(weights: jax.Array, values: jax.Array) -> jax.Array:
    """The mean of values under weights: ``c = sum_i w_i h_i``.

    Args:
        weights: ``[batch, source]``, w.
        values: ``[batch, source, features]``, h.

    Returns:
        ``[batch, features]``.

    >>> weighted_values(jnp.array([[0.5, 0.5, 0.0]]), jnp.arange(6.0).reshape(1, 3, 2)).tolist()
    [[1.0, 2.0]]
    """
    return lax.dot_general(weights, values, (((1,), (1,)), ((0,), (0,))))


def dot_scores(query: jax.Array, key: jax.Array, scale: Operand | None = None) -> jax.Array:
    """Multiplicative scores: ``e_ts = scale q_t . k_s``.

    Args:
        query: ``[..., target, features]``, q.
        key: ``[..., source, features]``, k.
        scale: one number; 1 if None.

    Returns:
        ``[..., target, source]``.

    >>> dot_scores(jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 4.0], [5.0, 6.0]])).tolist()
    [[11.0, 17.0]]
    """
    scores = jnp.matmul(query, jnp.swapaxes(key, -2, -1))
    return scores if scale is None else scores * cast(scale, scores.dtype)


def additive_scores(
    query: jax.Array,
    key: jax.Array,
    inner: Operand | None = None,
    outer: Operand | None = None,
) -> jax.Array:
    """Additive scores: ``e_ts = sum_d outer_d tanh(inner (q_td + k_sd))``.

    Args:
        query: ``[..., target, features]``, q.
        key: ``[..., source, features]``, k.
        inner: one number; 1 if None.
        outer: one number or ``[features]``; 1 if None.

    Returns:
        ``[..., target, source]``.

    >>> additive_scores(jnp.zeros((1, 2)), jnp.zeros((3, 2))).tolist()
    [[0.0, 0.0, 0.0]]
    """
    both = lax.expand_dims(query, (query.ndim - 1,)) + lax.expand_dims(key, (key.ndim - 2,))
    hidden = lax.tanh(both if inner is None else both * cast(inner, both.dtype))
    return jnp.sum(hidden if outer is None else hidden * cast(outer, hidden.dtype), -1)


def attention_weights(
    query: jax.Array, key: jax.Array, mask: Operand | None = None, *, scale: float
) -> jax.Array:
    """What each head's query makes of the keys: ``w_nts = softmax_s(scale q_tn . k_sn)``.

    Args:
        query: ``[batch, target, heads, size]``, q.
        key: ``[batch, source, groups, size]``, k; each group serves ``heads / groups`` heads that
            stand next to each other.
        mask: bool, broadcasts against the weights; places where it is False weigh 0.
        scale: of the products.

    Returns:
        ``[batch, heads, target, source]``, the products and the softmax in at least float32.

    >>> attention_weights(jnp.ones((1, 2, 1, 4)), jnp.ones((1, 2, 1, 4)), scale=0.5).tolist()
    [[[[0.5, 0.5], [0.5, 0.5]]]]
    """
    dtype = float_dtype(query, key)
    batch, target, heads, size = query.shape
    groups = key.shape[2]
    # The heads of a group are rows of one product.
    shape = (batch, groups, heads // groups * target, size)
    rows = jnp.reshape(_heads_first(query), shape)
    scores = lax.dot_general(
        cast(rows, dtype),
        cast(_heads_first(key), dtype),
        (((3,), (3,)), ((0, 1), (0, 1))),
        preferred_element_type=jnp.promote_types(dtype, jnp.float32),
    )
    scores = jnp.reshape(scores * scale, (batch, heads, target, key.shape[1]))
    return cast(masked_softmax(scores, mask), dtype)


def weighted_heads(weights: jax.Array, value: jax.Array) -> jax.Array:
    """The mean of values under each head's weights: ``y_tn = sum_s w_nts v_sn``.

    Args:
        weights: ``[batch, heads, target, source]``, w.
        value: ``[batch, source, groups, size]``, v.

    Returns:
        ``[batch, target, heads, size]``.

    >>> weighted_heads(jnp.full((1, 2, 1, 4), 0.25), jnp.ones((1, 4, 1, 3))).shape
    (1, 1, 2, 3)
    """
    batch, heads, target, source = weights.shape
    groups, size = value.shape[2:]
    rows = jnp.reshape(weights, (batch, groups, heads // groups * target, source))
    means = lax.dot_general(rows, _heads_first(value), (((3,), (2,)), ((0, 1), (0, 1))))
    return _heads_first(jnp.reshape(means, (batch, heads, target, size)))


def _heads_first(x: jax.Array) -> jax.Array:
    # [batch, time, heads, size] -> [batch, heads, time, size], and back
    return lax.transpose(x, (0, 2, 1, 3))


def attend(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    mask: jax.Array | None = None,
    *,
    scale: float,
    causal: bool = False,
    fused: bool | None = None,
) -> jax.Array:
    """Each head's mean of values, without its weights: ``y = softmax(scale q k) v``.

    Args:
        query: ``[batch, target, heads, size]``, q.
        key: ``[batch, source, groups, size]``, k.
        value: ``[batch, source, groups, value_size]``, v.
        mask: bool, broadcasts against ``[batch, heads, target, source]``. A query that may see
            no place gets the mean of all values.
        scale: of the products.
        causal: whether place t of the target sees places 0 to t of the source alone.
        fused: True for cuDNN's kernel, which fails where it does not serve; False for the program
            written here; None for that or what JAX has, whichever serves.

    Returns:
        ``[batch, target, heads, value_size]``, the softmax in at least float32.

    Source: Vaswani et al., arXiv 1706.03762; groups after Ainslie et al., arXiv 2305.13245.

    >>> query, key = jnp.ones((1, 2, 4, 3)), jnp.ones((1, 5, 2, 3))
    >>> attend(query, key, key, scale=1).shape
    (1, 2, 4, 3)
    """
    dtype = float_dtype(query, key, value)
    query, key, value = cast(query, dtype), cast(key, dtype), cast(value, dtype)
    if fused or (fused is None and _serves(key, value)):
        kernel = "cudnn" if fused else None
        return jax.nn.dot_product_attention(
            query, key, value, mask=mask, scale=scale, is_causal=causal, implementation=kernel
        )
    if causal:
        mask = joint_mask(mask, causal_mask(query.shape[1], key.shape[1]))
    return weighted_heads(attention_weights(query, key, mask, scale=scale), value)


def _serves(key: jax.Array, value: jax.Array) -> bool:
    # JAX's own attention may be fused where there is more to it than XLA's program: not on a CPU,
    # where the program below is the faster one. It takes values of the keys' size alone, has a
    # softmax in float32 only, and asks for products of float16 that not every device has.
    fitting = key.shape == value.shape and key.dtype in (jnp.float32, jnp.bfloat16)
    return fitting and jax.default_backend() != "cpu"


def rotate(x: jax.Array, positions: jax.Array, *, max_wavelength: float = 10_000.0) -> jax.Array:
    """Turn pairs of features by angles that grow with the position.

    Feature i of the first half and feature i of the second are the real and imaginary part of
    ``z_i``, and ``y_i = z_i exp(1j position max_wavelength^(-i / half))``: the product of a
    turned query and a turned key depends on their distance alone.

    Args:
        x: ``[batch, time, ..., features]``, an even number of features.
        positions: ``[time]`` or ``[batch, time]``.
        max_wavelength: of the slowest pair, in positions, over 2 pi.

    Returns:
        The shape and dtype of x, computed in at least float32.

    Source: Su et al., RoFormer, arXiv 2104.09864.

    >>> rotate(jnp.array([[[1.0, 0.0]]]), jnp.array([jnp.pi / 2])).round(4).tolist()
    [[[-0.0, 1.0]]]
    """
    half = x.shape[-1] // 2
    wide = cast(x, jnp.promote_types(x.dtype, jnp.float32))
    frequency = max_wavelength ** (-jnp.arange(half, dtype=wide.dtype) / half)
    angle = lax.expand_dims(cast(positions, wide.dtype), (positions.ndim,)) * frequency
    between = range(angle.ndim - 1, angle.ndim - 1 + x.ndim - 3)
    angle = lax.expand_dims(angle, tuple(between))  # [(batch,) time, 1, ..., half]
    real, imaginary = wide[..., :half], wide[..., half:]
    cos, sin = lax.cos(angle), lax.sin(angle)
    turned = (real * cos - imaginary * sin, imaginary * cos + real * sin)
    return cast(jnp.concatenate(turned, -1), x.dtype)


def write_rows(buffer: jax.Array, rows: jax.Array, start: Operand) -> jax.Array:
    """The buffer with rows written into it from a place on.

    Rows that do not fit make all that is written NaN: nothing else is overwritten unnoticed.

    Args:
        buffer: ``[batch, length, ...]``, floating.
        rows: ``[batch, time, ...]``.
        start: the place of the first row, one whole number.

    Returns:
        The shape and dtype of the buffer.

    >>> write_rows(jnp.zeros((1, 4)), jnp.ones((1, 2)), jnp.array(1)).tolist()
    [[0.0, 1.0, 1.0, 0.0]]
    >>> write_rows(jnp.zeros((1, 4)), jnp.ones((1, 2)), jnp.array(3)).tolist()
    [[0.0, 0.0, nan, nan]]
    """
    first = cast(start, jnp.int32)
    fits = first + rows.shape[1] <= buffer.shape[1]
    rows = jnp.where(fits, cast(rows, buffer.dtype), jnp.nan)
    return lax.dynamic_update_slice_in_dim(buffer, rows, first, axis=1)
