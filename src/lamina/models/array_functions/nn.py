"""Losses, normalization, attention and encodings of `keras.ops.nn`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

from lamina.lazy import lazily
from lamina.models.array_functions.values import (
    Function,
    array,
    dense_only,
    floats,
    refused,
    wide,
)

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["NN"]

_EPSILON = 1e-7  # of losses and norms, as in Keras
_nn: Any = jax.nn
_finfo: Any = jnp.finfo
_norm: Any = jnp.linalg.norm


def _binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    target, output = array(target), array(output)
    if from_logits:
        return -target * _nn.log_sigmoid(output) - (1 - target) * _nn.log_sigmoid(-output)
    output = jnp.clip(output, _EPSILON, 1 - _EPSILON)
    return -target * jnp.log(output) - (1 - target) * jnp.log(1 - output)


def _log_probabilities(output: Any, from_logits: bool, axis: int) -> Any:
    output = floats(output)
    if from_logits:
        return _nn.log_softmax(output, axis=axis)
    output = output / jnp.sum(output, axis=axis, keepdims=True)
    return jnp.log(jnp.clip(output, _EPSILON, 1 - _EPSILON))


def _categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    return -jnp.sum(array(target) * _log_probabilities(output, from_logits, axis), axis=axis)


def _sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    target, logs = array(target).astype(jnp.int32), _log_probabilities(output, from_logits, axis)
    if target.ndim == logs.ndim and target.shape[-1] == 1:
        target = jnp.squeeze(target, -1)
    return -jnp.sum(_nn.one_hot(target, logs.shape[axis], axis=axis) * logs, axis=axis)


def _ctc_loss(
    target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0
) -> Any:
    labels, logits = array(target).astype(jnp.int32), wide(output)
    loss: Any = optax.ctc_loss
    return loss(
        logits,
        _paddings(output_length, logits.shape[1], logits.dtype),
        labels,
        _paddings(target_length, labels.shape[1], logits.dtype),
        blank_id=mask_index,
    )


def _paddings(lengths: Any, size: int, dtype: Any) -> Any:
    return (jnp.arange(size) >= array(lengths).astype(jnp.int32)[:, None]).astype(dtype)


def _one_hot(
    x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> Any:
    dense_only("OneHot", sparse)
    return _nn.one_hot(array(x), num_classes, axis=axis, dtype=dtype or jnp.float32)


def _multi_hot(
    inputs: Any,
    num_classes: int | None = None,
    axis: int = -1,
    dtype: Any = None,
    sparse: bool = False,
    num_tokens: int | None = None,
) -> Any:
    dense_only("MultiHot", sparse)
    size = num_classes or num_tokens
    if size is None:
        raise refused("MultiHot", "num_classes", "None")
    inputs = array(inputs).astype(jnp.int32)
    return jnp.max(_one_hot(inputs, size, axis, dtype), axis=1 if inputs.ndim > 1 else 0)


def _moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    if synchronized:
        raise refused("Moments", "synchronized=False", "synchronized=True")
    x = array(x)
    dtype = x.dtype
    low = dtype in (jnp.float16, jnp.bfloat16)
    x = x.astype(jnp.float32) if low else x
    found = jnp.mean(x, axes, keepdims=keepdims), jnp.var(x, axes, keepdims=keepdims)
    if not low:
        return found
    limits = _finfo(jnp.float16)
    bounds = float(limits.min), float(limits.max)
    return tuple(jnp.clip(one, *bounds).astype(dtype) for one in found)


def _batch_norm(
    x: Any,
    mean: Any,
    variance: Any,
    offset: Any = None,
    scale: Any = None,
    *,
    axis: int,
    epsilon: float = 1e-3,
) -> Any:
    x = array(x)
    shape = [1] * x.ndim
    shape[axis] = -1

    def spread(value: Any) -> Any:
        return jnp.reshape(array(value), shape)

    factor = lax.rsqrt(spread(variance) + epsilon)
    factor = factor if scale is None else factor * spread(scale)
    shift = -spread(mean) * factor
    return x * factor + (shift if offset is None else shift + spread(offset))


def _normalize(x: Any, axis: Any = -1, order: int = 2, epsilon: float | None = None) -> Any:
    x, small = jnp.atleast_1d(array(x)), _EPSILON if epsilon is None else epsilon
    if order == 2:
        squares = jnp.sum(jnp.square(x), axis=axis, keepdims=True)
        return x * jnp.minimum(lax.rsqrt(squares), 1 / small)
    norms = _norm(floats(x), ord=order, axis=axis, keepdims=True)
    return x / jnp.maximum(norms, small)


def _rms_norm(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Any:
    wider = jnp.atleast_1d(wide(x))
    squares = jnp.mean(jnp.square(wider), axis=axis, keepdims=True)
    found = wider * lax.rsqrt(squares + (_EPSILON if epsilon is None else epsilon))
    found = found if scale is None else found * array(scale).astype(wider.dtype)
    return found.astype(array(x).dtype)


def _layer_norm(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    axis: Any = -1,
    epsilon: float | None = None,
    rms_scaling: bool = False,
) -> Any:
    wider, small = wide(x), _EPSILON if epsilon is None else epsilon
    axes = sorted(one % wider.ndim for one in ((axis,) if isinstance(axis, int) else axis))
    shape = [size if place in axes else 1 for place, size in enumerate(wider.shape)]

    def spread(value: Any) -> Any:
        value = array(value).astype(wider.dtype)
        return value if value.ndim == wider.ndim else jnp.reshape(value, shape)

    variance = jnp.var(wider, axis=tuple(axes), keepdims=True)
    factor = lax.rsqrt(variance + small)
    factor = factor if gamma is None else factor * spread(gamma)
    if rms_scaling:
        return (wider * factor).astype(array(x).dtype)
    shift = -jnp.mean(wider, axis=tuple(axes), keepdims=True) * factor
    shift = shift if beta is None else shift + spread(beta)
    return (wider * factor + shift).astype(array(x).dtype)


def _dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    if attn_logits_soft_cap is not None:
        raise refused("DotProductAttention", "no attn_logits_soft_cap", f"{attn_logits_soft_cap}")
    operands = array(query), array(key), array(value)
    dtype = jax.dtypes.result_type(*operands)
    return _nn.dot_product_attention(
        *(one.astype(dtype) for one in operands),
        bias=None if bias is None else array(bias).astype(dtype),
        mask=None if mask is None else array(mask).astype(jnp.bool_),
        scale=scale,
        is_causal=is_causal,
    )


def _polar(abs_: Any, angle: Any) -> Any:
    size, angle = floats(abs_), floats(angle)
    return lax.complex(size * jnp.cos(angle), size * jnp.sin(angle))


def _psnr(x1: Any, x2: Any, max_val: Any) -> Any:
    x1, x2 = array(x1), array(x2)
    peak = jnp.asarray(max_val, x2.dtype)
    return 20 * jnp.log10(peak) - 10 * jnp.log10(jnp.mean(jnp.square(x1 - x2)))


def _depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    x, size, first = array(x), block_size, data_format == "channels_first"
    batch, height, width, depth = jnp.moveaxis(x, 1, -1).shape if first else x.shape
    rest = depth // size**2
    if first:
        parts = x.reshape(batch, rest, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
        return parts.reshape(batch, rest, height * size, width * size)
    parts = x.reshape(batch, height, width, size, size, rest).transpose(0, 1, 3, 2, 4, 5)
    return parts.reshape(batch, height * size, width * size, rest)


def _space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    x, size, first = array(x), block_size, data_format == "channels_first"
    batch, height, width, depth = jnp.moveaxis(x, 1, -1).shape if first else x.shape
    rows, columns, wider = height // size, width // size, depth * math.prod((size, size))
    if first:
        parts = x.reshape(batch, depth, rows, size, columns, size).transpose(0, 1, 3, 5, 2, 4)
        return parts.reshape(batch, wider, rows, columns)
    parts = x.reshape(batch, rows, size, columns, size, depth).transpose(0, 1, 3, 2, 4, 5)
    return parts.reshape(batch, rows, columns, wider)


NN: dict[str, Function] = {
    "BatchNorm": _batch_norm,
    "BinaryCrossentropy": _binary_crossentropy,
    "CTCLoss": _ctc_loss,
    "CategoricalCrossentropy": _categorical_crossentropy,
    "DepthToSpace": _depth_to_space,
    "DotProductAttention": _dot_product_attention,
    "LayerNorm": _layer_norm,
    "Moments": _moments,
    "MultiHot": _multi_hot,
    "Normalize": _normalize,
    "OneHot": _one_hot,
    "PSNR": _psnr,
    "Polar": _polar,
    "RMSNorm": _rms_norm,
    "SpaceToDepth": _space_to_depth,
    "SparseCategoricalCrossentropy": _sparse_categorical_crossentropy,
}
"""The functions by Keras's class names."""
