"""Attention: scores, weights, weighted means of values, and rotary embeddings."""

from __future__ import annotations

import functools
from collections.abc import Callable

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

LEAST_POSITIONS = 128  # of a block of queries; smaller ones gain nothing
MOST_BLOCKS = 4  # more take longer to compile than they save

# Traced once for all layers of the same shapes, and inlined.
_softmax: Callable[[jax.Array], jax.Array] = jax.jit(
    functools.partial(jax.nn.softmax, axis=-1), inline=True
)


def masked_softmax(scores: jax.Array, mask: Operand | None = None) -> jax.Array:
    """Returns the softmax over unmasked positions, ``w_i = exp(e_i) / sum_j exp(e_j)``.

    Args:
        scores: e, ``[..., source]``.
        mask: bool, broadcast against the scores; positions where it is False have weight 0. A row
            that is masked entirely has equal weights, not NaN. None by default.

    Returns:
        An array like the scores, whose rows sum to 1; computed in at least float32.

    >>> masked_softmax(jnp.array([2.0, 2.0, 9.0]), jnp.array([True, True, False])).tolist()
    [0.5, 0.5, 0.0]
    """
    wide = cast(scores, jnp.promote_types(scores.dtype, jnp.float32))
    if mask is not None:
        # A finite value, so that a row that is masked entirely is not NaN.
        lowest = float(jnp.finfo(wide.dtype).min)  # pyright: ignore[reportUnknownArgumentType]
        wide = jnp.where(cast(mask, bool), wide, lowest)
    return cast(_softmax(wide), scores.dtype)


def weighted_values(weights: jax.Array, values: jax.Array) -> jax.Array:
    """Returns the weighted mean of values, ``c = sum_i w_i h_i``.

    Args:
        weights: w, ``[batch, source]``.
        values: h, ``[batch, source, features]``.

    Returns:
        ``[batch, features]``.

    >>> weighted_values(jnp.array([[0.5, 0.5, 0.0]]), jnp.arange(6.0).reshape(1, 3, 2)).tolist()
    [[1.0, 2.0]]
    """
    return lax.dot_general(weights, values, (((1,), (1,)), ((0,), (0,))))


def dot_scores(query: jax.Array, key: jax.Array, scale: Operand | None = None) -> jax.Array:
    """Returns dot-product scores, ``e_ts = scale q_t . k_s``.

    Args:
        query: q, ``[..., target, features]``.
        key: k, ``[..., source, features]``.
        scale: a scalar; 1 if None (default).

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
    """Returns additive scores, ``e_ts = sum_d outer_d tanh(inner (q_td + k_sd))``.

    Args:
        query: q, ``[..., target, features]``.
        key: k, ``[..., source, features]``.
        inner: a scalar; 1 if None (default).
        outer: a scalar or ``[features]``; 1 if None (default).

    Returns:
        ``[..., target, source]``.

    >>> additive_scores(jnp.zeros((1, 2)), jnp.zeros((3, 2))).tolist()
    [[0.0, 0.0, 0.0]]
    """
    sums = lax.expand_dims(query, (query.ndim - 1,)) + lax.expand_dims(key, (key.ndim - 2,))
    hidden = lax.tanh(sums if inner is None else sums * cast(inner, sums.dtype))
    return jnp.sum(hidden if outer is None else hidden * cast(outer, hidden.dtype), -1)


def attention_weights(
    query: jax.Array, key: jax.Array, mask: Operand | None = None, *, scale: float
) -> jax.Array:
    """Returns the attention weights of each head, ``w_nts = softmax_s(scale q_tn . k_sn)``.

    Args:
        query: q, ``[batch, target, heads, size]``.
        key: k, ``[batch, source, groups, size]``; each group belongs to ``heads / groups``
            adjacent heads.
        mask: bool, broadcast against the weights; positions where it is False have weight 0. None
            by default.
        scale: factor of the dot products.

    Returns:
        ``[batch, heads, target, source]``, computed in at least float32.

    >>> attention_weights(jnp.ones((1, 2, 1, 4)), jnp.ones((1, 2, 1, 4)), scale=0.5).tolist()
    [[[[0.5, 0.5], [0.5, 0.5]]]]
    """
    dtype = float_dtype(query, key)
    batch, target, heads, size = query.shape
    groups = key.shape[2]
    # The heads of a group are rows of the same matrix product.
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
    """Returns the weighted means of values of each head, ``y_tn = sum_s w_nts v_sn``.

    Args:
        weights: w, ``[batch, heads, target, source]``.
        value: v, ``[batch, source, groups, size]``.

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
    """Returns the attention of each head, ``y = softmax(scale q k) v``.

    Args:
        query: q, ``[batch, target, heads, size]``.
        key: k, ``[batch, source, groups, size]``.
        value: v, ``[batch, source, groups, value_size]``.
        mask: bool, broadcast against ``[batch, heads, target, source]``; a query whose positions
            are all masked gets the mean of all values. None by default.
        scale: factor of the dot products.
        causal: let position t of the target attend to positions 0 to t of the source only; False
            by default.
        fused: True for cuDNN's kernel, an error where it is not supported; False for the program
            in this file; None (default) for JAX's attention where it is supported and faster.

    Returns:
        ``[batch, target, heads, value_size]``, with the softmax in at least float32.

    Source: Vaswani et al., arXiv 1706.03762; groups: Ainslie et al., arXiv 2305.13245.

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
    target, source = query.shape[1], key.shape[1]
    if causal and target == source and (blocks := _blocks(target)) > 1:
        rows = -(-target // blocks)
        parts = [
            _causal_rows(query, key, value, mask, scale, start, min(start + rows, target))
            for start in range(0, target, rows)
        ]
        return lax.concatenate(parts, 1)
    if causal:
        mask = joint_mask(mask, causal_mask(target, source))
    return weighted_heads(attention_weights(query, key, mask, scale=scale), value)


def _blocks(positions: int) -> int:
    """The number of blocks of queries in causal attention: 1 for an unknown number of positions.

    A block needs only the positions up to its last query: 4 blocks compute 62 % of all scores.
    """
    if jax.default_backend() != "cpu" or type(positions) is not int:
        return 1
    return max(1, min(MOST_BLOCKS, positions // LEAST_POSITIONS))


def _causal_rows(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    mask: jax.Array | None,
    scale: float,
    start: int,
    stop: int,
) -> jax.Array:
    """The causal attention of the queries from `start` to `stop`."""
    seen = causal_mask(stop - start, stop, start)
    if mask is not None:
        square = jnp.broadcast_shapes(mask.shape, (query.shape[1], key.shape[1]))
        seen &= jnp.broadcast_to(mask, square)[..., start:stop, :stop]
    weights = attention_weights(query[:, start:stop], key[:, :stop], seen, scale=scale)
    heads = weighted_heads(weights, value[:, :stop])
    if mask is None:
        return heads
    # A query whose positions are all masked gets the mean of the values of all positions.
    visible = jnp.broadcast_to(seen.any(-1), weights.shape[:-1])
    mean = value.mean(1, keepdims=True)
    groups = query.shape[2] // value.shape[2]
    if groups > 1:  # as JAX repeats no axis that is sharded explicitly
        mean = jnp.repeat(mean, groups, 2)
    return jnp.where(_heads_first(visible[..., None]), heads, mean)


def _serves(key: jax.Array, value: jax.Array) -> bool:
    # JAX's attention may use a fused kernel, except on a CPU, where the program above is faster. It
    # requires values of the keys' size, computes the softmax in float32 only, and needs float16
    # products that not every device supports.
    supported = key.shape == value.shape and key.dtype in (jnp.float32, jnp.bfloat16)
    return supported and jax.default_backend() != "cpu"


def rotate(x: jax.Array, positions: jax.Array, *, max_wavelength: float = 10_000.0) -> jax.Array:
    """Rotates pairs of features by angles that grow with the position.

    Feature i of the first half and feature i of the second are the real and imaginary part of
    ``z_i``, and ``y_i = z_i exp(1j position max_wavelength^(-i / half))``: the dot
    product of a rotated query and a rotated key depends on the distance of their positions.

    Args:
        x: ``[batch, time, ..., features]``, with an even number of features.
        positions: ``[time]`` or ``[batch, time]``.
        max_wavelength: wavelength of the slowest pair, in positions, divided by 2 pi; 10,000 by
            default.

    Returns:
        An array like x, computed in at least float32.

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
    rotated = (real * cos - imaginary * sin, imaginary * cos + real * sin)
    return cast(jnp.concatenate(rotated, -1), x.dtype)


def write_rows(buffer: jax.Array, rows: jax.Array, start: Operand) -> jax.Array:
    """Returns the buffer with rows written from a position on.

    If the rows do not fit into the buffer, NaN is written in their place, so that the overflow is
    visible.

    Args:
        buffer: ``[batch, length, ...]``, of a floating dtype.
        rows: ``[batch, time, ...]``.
        start: position of the first row, an integer scalar.

    Returns:
        An array like the buffer.

    >>> write_rows(jnp.zeros((1, 4)), jnp.ones((1, 2)), jnp.array(1)).tolist()
    [[0.0, 1.0, 1.0, 0.0]]
    >>> write_rows(jnp.zeros((1, 4)), jnp.ones((1, 2)), jnp.array(3)).tolist()
    [[0.0, 0.0, nan, nan]]
    """
    first = cast(start, jnp.int32)
    fits = first + rows.shape[1] <= buffer.shape[1]
    rows = jnp.where(fits, cast(rows, buffer.dtype), jnp.nan)
    return lax.dynamic_update_slice_in_dim(buffer, rows, first, axis=1)
