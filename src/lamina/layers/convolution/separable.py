"""Layers that convolve each channel alone, and may mix the channels at each point after that."""

from __future__ import annotations

from typing import Any

import jax

from lamina import activations, initializers
from lamina.layers.bases.checks import check_count
from lamina.layers.convolution.convolution import Convolving
from lamina.ops.convolution import conv, depthwise_conv
from lamina.ops.spatial import DataFormat

__all__ = [
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "SeparableConv1D",
    "SeparableConv2D",
    "SeparableConvolution1D",
    "SeparableConvolution2D",
]


class DepthwiseConvolution(Convolving):
    """Each channel convolved alone; :func:`lamina.ops.convolution.depthwise_conv`.

    ``y[p, (c, m)] = act(sum_k x[s p + d k, c] kernel[k, c, m] + bias[(c, m)])``, s the stride and
    d the dilation. Shapes: ``[batch, space..., channels] -> [batch, space'..., channels
    depth_multiplier]``, or channels first; weights ``kernel [kernel_size..., channels,
    depth_multiplier]`` and ``bias [channels depth_multiplier]``.

    Args:
        kernel_size: how many taps k a kernel has, one number or one for each axis of space.
        strides: points from window to window, one number or one for each axis.
        padding: ``"valid"`` for whole windows only; ``"same"`` for ``ceil(size / s)`` of them.
        depth_multiplier: how many kernels a channel has.
        data_format: ``"channels_last"``, the default, or ``"channels_first"``.
        dilation_rate: points from tap to tap, one number or one for each axis.
        activation: a name or a function of one array; None for none.
        use_bias: whether a bias is added.
        depthwise_initializer: of ``kernel``.
        bias_initializer: of ``bias``.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: a size is not a whole number above 0, a name stands for nothing, or the input
            has another number of axes or is smaller than the kernel.
        UnknownNameError: an activation or initializer has no such name.

    >>> import jax.numpy as jnp
    >>> layer = DepthwiseConv2D(3, depth_multiplier=2)
    >>> layer(jnp.ones((1, 5, 6, 4))).shape, layer.kernel.shape
    ((1, 3, 4, 8), (3, 3, 4, 2))
    """

    _weights = ("depthwise", "bias")

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: DataFormat | None = None,
        dilation_rate: int | tuple[int, ...] = 1,
        activation: activations.ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer,
            **options,
        )
        self.depth_multiplier = check_count(self, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer = initializers.get(depthwise_initializer)

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        channels = self._channels(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = self._weight("depthwise", shape)
        self.bias = self._add_bias(channels * self.depth_multiplier)

    def call(self, inputs: jax.Array) -> jax.Array:
        self._check(inputs.shape)
        outputs = depthwise_conv(inputs, self.kernel, self.bias, **self._window)
        return activations.get(self.activation)(outputs)


class DepthwiseConv1D(DepthwiseConvolution):
    """Each channel convolved over time: :class:`DepthwiseConvolution` of
    ``[batch, time, channels]``.

    >>> import jax.numpy as jnp
    >>> DepthwiseConv1D(3, depth_multiplier=2)(jnp.ones((2, 7, 4))).shape
    (2, 5, 8)
    """

    rank = 1


class DepthwiseConv2D(DepthwiseConvolution):
    """Each channel of an image convolved: :class:`DepthwiseConvolution` of
    ``[batch, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> DepthwiseConv2D(3, padding="same")(jnp.ones((2, 7, 8, 4))).shape
    (2, 7, 8, 4)
    """

    rank = 2


class SeparableConvolution(Convolving):
    """Each channel convolved alone, then the channels mixed at each point.

    ``h[p, (c, m)] = sum_k x[s p + d k, c] depthwise_kernel[k, c, m]`` and ``y[p, f] =
    act(sum_{c, m} h[p, (c, m)] pointwise_kernel[(c, m), f] + bias[f])``. Shapes: ``[batch,
    space..., channels] -> [batch, space'..., filters]``, or channels first; weights
    ``depthwise_kernel [kernel_size..., channels, depth_multiplier]``, ``pointwise_kernel [1...,
    channels depth_multiplier, filters]`` and ``bias [filters]``.

    Args:
        filters: how many outputs a point has.
        kernel_size: how many taps k a kernel has, one number or one for each axis of space.
        strides: points from window to window, one number or one for each axis.
        padding: ``"valid"`` for whole windows only; ``"same"`` for ``ceil(size / s)`` of them.
        data_format: ``"channels_last"``, the default, or ``"channels_first"``.
        dilation_rate: points from tap to tap, one number or one for each axis.
        depth_multiplier: how many kernels a channel has.
        activation: a name or a function of one array; None for none.
        use_bias: whether a bias is added.
        depthwise_initializer: of ``depthwise_kernel``.
        pointwise_initializer: of ``pointwise_kernel``.
        bias_initializer: of ``bias``.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: a size is not a whole number above 0, a name stands for nothing, or the input
            has another number of axes or is smaller than the kernel.
        UnknownNameError: an activation or initializer has no such name.

    Source: Chollet, Xception, arXiv 1610.02357.

    >>> import jax.numpy as jnp
    >>> layer = SeparableConv2D(6, 3, depth_multiplier=2)
    >>> layer(jnp.ones((1, 5, 6, 4))).shape, layer.pointwise_kernel.shape
    ((1, 3, 4, 6), (1, 1, 8, 6))
    """

    _weights = ("depthwise", "pointwise", "bias")

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: str = "valid",
        data_format: DataFormat | None = None,
        dilation_rate: int | tuple[int, ...] = 1,
        depth_multiplier: int = 1,
        activation: activations.ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: initializers.InitializerLike = "glorot_uniform",
        pointwise_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer,
            **options,
        )
        self.filters = check_count(self, "filters", filters)
        self.depth_multiplier = check_count(self, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        channels = self._channels(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise_kernel = self._weight("depthwise", shape)
        mixed = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = self._weight("pointwise", mixed)
        self.bias = self._add_bias(self.filters)

    def call(self, inputs: jax.Array) -> jax.Array:
        self._check(inputs.shape)
        alone = depthwise_conv(inputs, self.depthwise_kernel, **self._window)
        mixed = conv(alone, self.pointwise_kernel, self.bias, data_format=self.data_format)
        return activations.get(self.activation)(mixed)


class SeparableConv1D(SeparableConvolution):
    """Channels convolved over time, then mixed: :class:`SeparableConvolution` of
    ``[batch, time, channels]``.

    >>> import jax.numpy as jnp
    >>> SeparableConv1D(6, 3, strides=2)(jnp.ones((2, 7, 4))).shape
    (2, 3, 6)
    """

    rank = 1


class SeparableConv2D(SeparableConvolution):
    """Channels of an image convolved, then mixed: :class:`SeparableConvolution` of
    ``[batch, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> SeparableConv2D(6, 3, padding="same")(jnp.ones((2, 7, 8, 4))).shape
    (2, 7, 8, 6)
    """

    rank = 2


SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
