"""Convolutions, pooling and patches of `keras.ops.nn` and `keras.ops.image`."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from jax import lax

from lamina.models.array_functions.values import Function, array, refused
from lamina.ops.adaptive_pooling import adaptive_average_pool, adaptive_max_pool
from lamina.ops.convolution.convolution import conv, conv_transpose, depthwise_conv
from lamina.ops.pooling import average_pool, max_pool

__all__ = ["WINDOWS", "extract_patches"]


def _sizes(value: Any, rank: int) -> tuple[int, ...]:
    """A size for each of a number of axes, from one for all of them."""
    return (value,) * rank if isinstance(value, int) else tuple(value)


def _pooling(function: Function) -> Function:
    def pool(
        inputs: Any,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
    ) -> Any:
        x = array(inputs)
        rank = x.ndim - 2
        return function(
            x,
            _sizes(pool_size, rank),
            None if strides is None else _sizes(strides, rank),
            padding=padding,
            data_format=data_format or "channels_last",
        )

    return pool


def _adaptive_pooling(function: Function) -> Function:
    def pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
        x = array(inputs)
        sizes = _sizes(output_size, x.ndim - 2)
        return function(x, sizes, data_format=data_format or "channels_last")

    return pool


def _geometry(x: Any, strides: Any, dilation_rate: Any, data_format: str | None) -> dict[str, Any]:
    rank = x.ndim - 2
    return {
        "strides": _sizes(strides, rank),
        "dilation_rate": _sizes(dilation_rate, rank),
        "data_format": data_format or "channels_last",
    }


def _convolution(function: Function) -> Function:
    def convolve(
        inputs: Any,
        kernel: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
    ) -> Any:
        x = array(inputs)
        options = _geometry(x, strides, dilation_rate, data_format)
        return function(x, array(kernel), padding=padding, **options)

    return convolve


def _separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    x = array(inputs)
    options: Any = _geometry(x, strides, dilation_rate, data_format)
    between = depthwise_conv(x, array(depthwise_kernel), padding=padding, **options)  # type: ignore[arg-type]
    return conv(between, array(pointwise_kernel), data_format=options["data_format"])


def _conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    x = array(inputs)
    options: Any = _geometry(x, strides, dilation_rate, data_format)
    behind = None if output_padding is None else _sizes(output_padding, x.ndim - 2)
    options = {**options, "padding": padding, "output_padding": behind}
    return conv_transpose(x, array(kernel), **options)


def extract_patches(
    images: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Extract patches, each with its points and channels along the axis of channels."""
    rank = 3 if not isinstance(size, int) and len(size) == 3 else 2
    images, first = array(images), data_format == "channels_first"
    whole = images if images.ndim == rank + 2 else images[None]
    points = jnp.moveaxis(whole, 1, -1) if first else whole
    window, channels = _sizes(size, rank), points.shape[-1]
    layout = ("NHWC", "HWIO", "NHWC") if rank == 2 else ("NDHWC", "DHWIO", "NDHWC")
    found = lax.conv_general_dilated_patches(
        points,
        window,
        _sizes(strides or size, rank),
        padding.upper(),
        rhs_dilation=_sizes(dilation_rate, rank),
        dimension_numbers=layout,
    )
    # JAX puts the channels before the points of a patch, Keras behind
    taps = math.prod(window)
    parts = found.reshape(*found.shape[:-1], channels, taps)
    found = jnp.swapaxes(parts, -1, -2).reshape(*found.shape[:-1], taps * channels)
    found = jnp.moveaxis(found, -1, 1) if first else found
    return found if images.ndim == rank + 2 else found[0]


def _unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    x = array(x)
    found = lax.conv_general_dilated_patches(
        x,
        _sizes(kernel_size, 2),
        _sizes(stride, 2),
        [(edge, edge) for edge in _sizes(padding, 2)],
        rhs_dilation=_sizes(dilation, 2),
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
    )
    return found.reshape(*found.shape[:2], -1)


def _fold(
    x: Any,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Any:
    """The sum of patches at their places: the transpose of `_unfold`."""
    x, taps = array(x), _sizes(kernel_size, 2)
    spans = [step * (size - 1) for step, size in zip(_sizes(dilation, 2), taps, strict=True)]
    edges, sizes = _sizes(padding, 2), _sizes(output_size, 2)
    steps = _sizes(stride, 2)
    places = [
        (size + 2 * edge - span - 1) // step + 1
        for size, edge, span, step in zip(sizes, edges, spans, steps, strict=True)
    ]
    channels = x.shape[1] // math.prod(taps)
    if math.prod(places) != x.shape[2] or channels * math.prod(taps) != x.shape[1]:
        raise refused("Fold", f"{places} patches of {taps} points", f"shape {x.shape}")
    parts = x.reshape(x.shape[0], channels, *taps, *places)
    whole = jnp.zeros(
        (x.shape[0], channels, *(n + 2 * e for n, e in zip(sizes, edges, strict=True))), x.dtype
    )
    rows, columns = (
        step * jnp.arange(count)[None] + apart * jnp.arange(size)[:, None]
        for step, count, apart, size in zip(steps, places, _sizes(dilation, 2), taps, strict=True)
    )  # [tap, place]
    whole = whole.at[:, :, rows[:, None, :, None], columns[None, :, None, :]].add(parts)
    return whole[:, :, edges[0] : edges[0] + sizes[0], edges[1] : edges[1] + sizes[1]]


WINDOWS: dict[str, Function] = {
    "AdaptiveAveragePool": _adaptive_pooling(adaptive_average_pool),
    "AdaptiveMaxPool": _adaptive_pooling(adaptive_max_pool),
    "AveragePool": _pooling(average_pool),
    "Conv": _convolution(conv),
    "ConvTranspose": _conv_transpose,
    "DepthwiseConv": _convolution(depthwise_conv),
    "Fold": _fold,
    "MaxPool": _pooling(max_pool),
    "SeparableConv": _separable_conv,
    "Unfold": _unfold,
}
"""The functions of `keras.ops.nn` by Keras's class names."""
