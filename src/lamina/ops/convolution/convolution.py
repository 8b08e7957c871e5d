"""Convolutions, depthwise and transposed convolutions over one to three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import jax
from jax import lax

from lamina.lazy import lazily
from lamina.ops.arrays import Operand, cast, float_dtype
from lamina.ops.convolution import library
from lamina.ops.convolution.geometry import Geometry, extent
from lamina.ops.spatial import DataFormat, channel_axis, spatial_axes

if TYPE_CHECKING:
    from lamina.ops.convolution import bilinear
else:
    bilinear = lazily("lamina.ops.convolution.bilinear")  # imports jax.extend, and so Pallas

__all__ = [
    "Padding",
    "biased",
    "conv",
    "conv_transpose",
    "depthwise_conv",
]

Padding = Literal["valid", "same", "causal"]


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
    dtype, rank = float_dtype(x, kernel, bias), len(x.shape) - 2
    strides, dilation_rate = strides or (1,) * rank, dilation_rate or (1,) * rank
    sizes = tuple(x.shape[axis] for axis in spatial_axes(rank + 2, data_format))
    spans = tuple(map(extent, kernel.shape[:rank], dilation_rate))
    pads = (
        [(span - 1, 0) for span in spans]
        if padding == "causal"
        else lax.padtype_to_pads(sizes, spans, strides, padding.upper())
    )
    channels = x.shape[channel_axis(rank + 2, data_format)]
    geometry = Geometry(
        sizes,
        tuple(kernel.shape[:rank]),
        tuple(strides),
        tuple(pads),
        tuple(dilation_rate),
        max(channels // kernel.shape[rank], 1),
        channels_first=data_format == "channels_first",
    )
    x, kernel = cast(x, dtype), cast(kernel, dtype)
    product = bilinear.convolve if _is_static(x, kernel) else library.convolve
    return biased(product(x, kernel, geometry), bias, data_format)


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
    dtype, rank = float_dtype(x, kernel, bias), len(x.shape) - 2
    strides, dilation_rate = strides or (1,) * rank, dilation_rate or (1,) * rank
    points = [x.shape[axis] for axis in spatial_axes(rank + 2, data_format)]
    spans = list(map(extent, kernel.shape[:rank], dilation_rate))
    tails, pads = zip(
        *(
            _transposed_padding(span, stride, padding, behind)
            for span, stride, behind in zip(
                spans, strides, output_padding or [None] * rank, strict=True
            )
        ),
        strict=True,
    )
    geometry = Geometry(
        tuple(
            (count - 1) * stride + tail
            for count, stride, tail in zip(points, strides, tails, strict=True)
        ),
        tuple(kernel.shape[:rank]),
        tuple(strides),
        pads,
        tuple(dilation_rate),
        channels_first=data_format == "channels_first",
    )
    x, kernel = cast(x, dtype), cast(kernel, dtype)
    product = bilinear.input_gradient if _is_static(x, kernel) else library.input_gradient
    return biased(product(x, kernel, geometry), bias, data_format)


def _transposed_padding(
    span: int, stride: int, padding: Padding, output_padding: int | None
) -> tuple[int, tuple[int, int]]:
    """Derive the convolution whose gradient a transposed convolution is.

    Its input has ``(size - 1) stride + tail`` points; windows are centred for ``"same"``.

    Returns:
        The tail, and the zeros in front of and behind that input.
    """
    if padding == "valid":
        tail = max(span, stride) if output_padding is None else span + output_padding
        front = 0
    else:
        tail = stride if output_padding is None else span % 2 + output_padding
        front = span - 1 - min((tail + span - 1) // 2, span - 1)
    return tail, (front, span - tail - front)


def _is_static(*arrays: jax.Array) -> bool:
    """Whether all dims are numbers: exported programs may have symbols for some."""
    sizes: list[object] = [size for array in arrays for size in array.shape]
    return all(isinstance(size, int) for size in sizes)


def biased(y: jax.Array, bias: Operand | None, data_format: DataFormat) -> jax.Array:
    """Add a bias to each channel.

    Args:
        y: ``[batch, space..., channels]``, or channels first.
        bias: ``[channels]``, or None for no bias.
        data_format: ``"channels_last"`` or ``"channels_first"``.
    """
    if bias is None:
        return y
    axis = channel_axis(y.ndim, data_format)
    return lax.add(y, lax.broadcast_in_dim(cast(bias, y.dtype), y.shape, (axis,)))
