"""Parts of the mobile architectures: convolutions that are normalized."""

from __future__ import annotations

from typing import Any

from lamina import layers
from lamina.compat.keras.applications.image_model import correct_padding

__all__ = ["depthwise", "strided_depthwise"]


def depthwise(x: Any, kernel: int, strides: int, padding: str, name: str, **options: Any) -> Any:
    """A depthwise convolution without bias."""
    convolution = layers.DepthwiseConv2D(
        kernel, strides=strides, padding=padding, use_bias=False, name=name, **options
    )
    return convolution(x)


def strided_depthwise(
    x: Any, kernel: int, strides: int, name: str, pad: str, **options: Any
) -> Any:
    """A depthwise convolution without bias; of stride 2, it is padded by a layer of its own."""
    if strides == 1:
        return depthwise(x, kernel, 1, "same", name, **options)
    x = layers.ZeroPadding2D(correct_padding(x, kernel), name=pad)(x)
    return depthwise(x, kernel, strides, "valid", name, **options)
