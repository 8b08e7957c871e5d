"""Convolutions over any number of spatial axes, each a single XLA operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import jax
from jax import lax

from lamina.ops.arrays import Operand, cast, float_dtype
from lamina.ops.spatial import DataFormat, channel_axis, spatial_axes

__all__ = [
    "Padding",
    "conv",
    "conv_transpose",
    "depthwise_conv",
    "extent",
    "transposed_pads",
]

Padding = Literal["valid", "same", "causal"]


def extent(size: int, dilation: int) -> int:
    """Compute the number of points that a dilated kernel spans: ``(size - 1) dilation + 1``.

    Args:
        size: the size of the kernel, in taps.
        dilation: the distance between taps, in points.

    Returns:
        The number of points.

    >>> extent(3, 2)
    5
    """
    return (size - 1) * dilation + 1


def conv(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    *,
    strides: Sequence[int] | None = None,
    padding: Padding = "valid",
    dilation_rate: Sequence[int] | None = None,
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Convolve over the spatial axes.

    ``y[p, f] = sum_{k, c} x[s p + d k, c] kernel[k, c, f] + bias[f]``

    If the kernel has fewer channels than x, it is a grouped convolution: the n-th group of filters
    reads the n-th group of channels.

    Args:
        x: ``[batch, space..., channels]``, or channels first.
        kernel: ``[taps..., channels / groups, filters]``.
        bias: ``[filters]``, or None for no bias.
        strides: s, in points, one per spatial axis; 1 by default.
        padding: ``"valid"`` (default) for none, ``"same"`` for ``ceil(size / s)`` outputs,
            ``"causal"`` for outputs that depend on no later point.
        dilation_rate: d, the distance between taps in points, one per spatial axis; 1 by default.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        ``[batch, space'..., filters]`` in x's order, in the promoted dtype of the operands; empty
        if the kernel spans more than the input without padding.

    Raises:
        ValueError: the shapes of x and kernel do not match.

    >>> import jax.numpy as jnp
    >>> x = jnp.arange(5.0).reshape(1, 5, 1)
    >>> conv(x, jnp.ones((2, 1, 1)), padding="causal")[0, :, 0].tolist()
    [0.0, 1.0, 3.0, 5.0, 7.0]
    """
    rank = len(x.shape) - 2
    strides, dilation_rate = strides or (1,) * rank, dilation_rate or (1,) * rank
    pads: str | list[tuple[int, int]] = padding.upper()
    if padding == "causal":
        spans = map(extent, kernel.shape[:rank], dilation_rate)
        pads = [(span - 1, 0) for span in spans]
    dtype = float_dtype(x, kernel, bias)
    channels = x.shape[channel_axis(rank + 2, data_format)]
    y = lax.conv_general_dilated(
        cast(x, dtype),
        cast(kernel, dtype),
        strides,
        pads,
        rhs_dilation=dilation_rate,
        dimension_numbers=_layout(rank, data_format, (rank + 1, rank)),
        feature_group_count=max(channels // kernel.shape[rank], 1),
    )
    return _biased(y, bias, data_format)


def depthwise_conv(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    *,
    strides: Sequence[int] | None = None,
    padding: Padding = "valid",
    dilation_rate: Sequence[int] | None = None,
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Convolve each channel separately, each with its own kernels.

    ``y[p, c m + n] = sum_k x[s p + d k, c] kernel[k, c, n] + bias[c m + n]``, m the multiplier.

    Args:
        x: ``[batch, space..., channels]``, or channels first.
        kernel: ``[taps..., channels, multiplier]``.
        bias: ``[channels multiplier]``, or None for no bias.
        strides, padding, dilation_rate, data_format: as for :func:`conv`.

    Returns:
        ``[batch, space'..., channels multiplier]`` in x's order; the outputs of one
        channel are adjacent.

    >>> import jax.numpy as jnp
    >>> depthwise_conv(jnp.ones((1, 3, 2)), jnp.array([[[1.0], [5.0]]]))[0, 0].tolist()
    [1.0, 5.0]
    """
    kernel = cast(kernel, float_dtype(x, kernel, bias))
    *taps, channels, multiplier = kernel.shape
    return conv(
        x,
        lax.reshape(kernel, (*taps, 1, channels * multiplier)),
        bias,
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        data_format=data_format,
    )


def conv_transpose(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    *,
    strides: Sequence[int] | None = None,
    padding: Padding = "valid",
    output_padding: Sequence[int] | None = None,
    dilation_rate: Sequence[int] | None = None,
    data_format: DataFormat = "channels_last",
) -> jax.Array:
    """Compute a transposed convolution: the gradient of :func:`conv` with respect to x.

    ``y[s p + d k, f] += sum_c x[p, c] kernel[k, f, c]`` for all p and k, cropped to the output
    size, ``+ bias``.

    Args:
        x: ``[batch, space..., channels]``, or channels first.
        kernel: ``[taps..., filters, channels]``.
        bias: ``[filters]``, or None for no bias.
        strides: s, in points, one per spatial axis; 1 by default.
        padding: ``"valid"`` (default) keeps all points, ``"same"`` gives ``size s`` of them.
        output_padding: additional points at the end, one per spatial axis; None (default) gives
            the sizes above.
        dilation_rate: d, the distance between taps in points, one per spatial axis; 1 by default.
        data_format: ``"channels_last"`` (default) or ``"channels_first"``.

    Returns:
        ``[batch, space'..., filters]`` in x's order, in the promoted dtype of the operands.

    >>> import jax.numpy as jnp
    >>> x = jnp.array([1.0, 2.0]).reshape(1, 2, 1)
    >>> conv_transpose(x, jnp.ones((2, 1, 1)), strides=(3,))[0, :, 0].tolist()
    [1.0, 1.0, 0.0, 2.0, 2.0, 0.0]
    """
    rank = len(x.shape) - 2
    strides, dilation_rate = strides or (1,) * rank, dilation_rate or (1,) * rank
    spans = map(extent, kernel.shape[:rank], dilation_rate)
    pads = [
        transposed_pads(span, stride, padding, behind)
        for span, stride, behind in zip(
            spans, strides, output_padding or [None] * rank, strict=True
        )
    ]
    dtype = float_dtype(x, kernel, bias)
    y = lax.conv_general_dilated(
        cast(x, dtype),
        lax.rev(cast(kernel, dtype), tuple(range(rank))),
        (1,) * rank,
        pads,
        lhs_dilation=strides,
        rhs_dilation=dilation_rate,
        dimension_numbers=_layout(rank, data_format, (rank, rank + 1)),
    )
    return _biased(y, bias, data_format)


def transposed_pads(
    span: int, stride: int, padding: Padding, output_padding: int | None
) -> tuple[int, int]:
    """Compute the zero padding before and after the input of a transposed convolution.

    Args:
        span: the number of points that the kernel spans.
        stride: the stride, in points.
        padding: ``"valid"`` or ``"same"``; ``"same"`` crops the front so that windows are centred.
        output_padding: additional points at the end; None for the default size.

    Returns:
        The number of zeros before and after.

    >>> transposed_pads(3, 2, "same", None)
    (2, 1)
    """
    if padding == "valid":
        tail = max(span, stride) if output_padding is None else span + output_padding
        front = span - 1
    else:
        tail = stride if output_padding is None else span % 2 + output_padding
        front = min((tail + span - 1) // 2, span - 1)
    return front, tail + span - 2 - front


def _layout(
    rank: int, data_format: DataFormat, kernel: tuple[int, int]
) -> lax.ConvDimensionNumbers:
    """The axes of batch, channels and space; `kernel` gives those of its filters and channels."""
    channels, space = channel_axis(rank + 2, data_format), spatial_axes(rank + 2, data_format)
    array = (0, channels, *space)
    return lax.ConvDimensionNumbers(array, (*kernel, *range(rank)), array)


def _biased(y: jax.Array, bias: Operand | None, data_format: DataFormat) -> jax.Array:
    if bias is None:
        return y
    axis = channel_axis(y.ndim, data_format)
    return lax.add(y, lax.broadcast_in_dim(cast(bias, y.dtype), y.shape, (axis,)))
