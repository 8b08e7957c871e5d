"""Convolutions over one to three spatial axes, and their gradients."""

from lamina.ops.convolution.convolution import (
    Padding,
    biased,
    conv,
    conv_transpose,
    depthwise_conv,
)
from lamina.ops.convolution.geometry import extent

__all__ = ["Padding", "biased", "conv", "conv_transpose", "depthwise_conv", "extent"]
