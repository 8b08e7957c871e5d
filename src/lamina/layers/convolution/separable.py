"""Depthwise and separable convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import jax

from lamina import activations, initializers
from lamina.layers.bases.checks import check_count
from lamina.layers.bases.docstrings import with_family_docs
from lamina.layers.bases.options import DepthwiseOptions, SeparableOptions
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
    """The base of the depthwise convolutions; see :func:`lamina.ops.convolution.depthwise_conv`.

    Each channel is convolved with kernels of its own: ``y[p, (c, m)] = act(sum_k x[s p + d k, c]
    kernel[k, c, m] + bias[(c, m)])``, with s the stride and d the dilation rate. Weights: ``kernel
    [kernel_size..., channels, depth_multiplier]`` and ``bias [channels * depth_multiplier]``.

    Args:
        kernel_size: positive integer, or one for each spatial axis: size of the kernel in points.
        strides: positive integer, or one for each spatial axis: s, distance between neighboring
            windows in points; 1 by default.
        padding: ``"valid"`` (default) for no padding, or ``"same"`` to pad with zeros on both sides
            to an output size of ``ceil(size / s)``. Case is ignored.
        depth_multiplier: positive integer, number of output channels per input channel of the
            depthwise step; 1 by default.
        data_format: ``"channels_last"`` (default) for ``[batch, space..., channels]``, or
            ``"channels_first"`` for ``[batch, channels, space...]``.
        dilation_rate: positive integer, or one for each spatial axis: d, distance between
            neighboring kernel elements in points; 1 by default.
        activation: name of an activation or function of one array, applied to the output; None
            (default) for none.
        use_bias: bool, whether to add a bias; True by default.
        depthwise_initializer: initializer of ``kernel``, a name, a
            :class:`lamina.initializers.Initializer` or a function ``(key, shape, dtype) -> array``;
            ``"glorot_uniform"`` by default.
        bias_initializer: initializer of ``bias``; ``"zeros"`` by default.
        depthwise_regularizer, bias_regularizer: penalty on the weight,
            a name, a :class:`lamina.regularizers.Regularizer` or a function ``array -> loss``; None
            by default.
        depthwise_constraint, bias_constraint: function applied to the weight after
            each training step, a name, a :class:`lamina.constraints.Constraint` or a function
            ``array -> array``; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: a size is not a positive integer, a name is unknown, or the input has another
            number of axes or is smaller than the kernel.
        UnknownNameError: there is no activation, initializer, regularizer or constraint of that
            name.
    """

    _weights = ("depthwise", "bias")

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: DataFormat | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: activations.ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Unpack[DepthwiseOptions],
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


@with_family_docs
class DepthwiseConv1D(DepthwiseConvolution):
    """1D depthwise convolution over sequences.

    Shapes: ``[batch, time, channels] -> [batch, time', channels * depth_multiplier]``, or channels
    first.

    >>> import jax.numpy as jnp
    >>> DepthwiseConv1D(3, depth_multiplier=2)(jnp.ones((2, 7, 4))).shape
    (2, 5, 8)
    """

    rank = 1


@with_family_docs
class DepthwiseConv2D(DepthwiseConvolution):
    """2D depthwise convolution over images.

    Shapes: ``[batch, height, width, channels] -> [batch, height', width', channels *
    depth_multiplier]``, or channels first.

    >>> import jax.numpy as jnp
    >>> layer = DepthwiseConv2D(3, depth_multiplier=2)
    >>> layer(jnp.ones((1, 5, 6, 4))).shape, layer.kernel.shape
    ((1, 3, 4, 8), (3, 3, 4, 2))
    """

    rank = 2


class SeparableConvolution(Convolving):
    """The base of the separable convolutions: a depthwise, then a pointwise convolution.

    ``h[p, (c, m)] = sum_k x[s p + d k, c] depthwise_kernel[k, c, m]`` and ``y[p, f] =
    act(sum_{c, m} h[p, (c, m)] pointwise_kernel[(c, m), f] + bias[f])``, with s the stride and d
    the dilation rate. Weights: ``depthwise_kernel [kernel_size..., channels, depth_multiplier]``,
    ``pointwise_kernel [1..., channels * depth_multiplier, filters]`` and ``bias [filters]``.

    Args:
        filters: positive integer, number of output channels.
        kernel_size: positive integer, or one for each spatial axis: size of the kernel in points.
        strides: positive integer, or one for each spatial axis: s, distance between neighboring
            windows in points; 1 by default.
        padding: ``"valid"`` (default) for no padding, or ``"same"`` to pad with zeros on both sides
            to an output size of ``ceil(size / s)``. Case is ignored.
        data_format: ``"channels_last"`` (default) for ``[batch, space..., channels]``, or
            ``"channels_first"`` for ``[batch, channels, space...]``.
        dilation_rate: positive integer, or one for each spatial axis: d, distance between
            neighboring kernel elements in points; 1 by default.
        depth_multiplier: positive integer, number of output channels per input channel of the
            depthwise step; 1 by default.
        activation: name of an activation or function of one array, applied to the output; None
            (default) for none.
        use_bias: bool, whether to add a bias; True by default.
        depthwise_initializer: initializer of ``depthwise_kernel``, a name, a
            :class:`lamina.initializers.Initializer` or a function ``(key, shape, dtype) -> array``;
            ``"glorot_uniform"`` by default.
        pointwise_initializer: the same of ``pointwise_kernel``; ``"glorot_uniform"`` by default.
        bias_initializer: initializer of ``bias``; ``"zeros"`` by default.
        depthwise_regularizer, pointwise_regularizer, bias_regularizer: penalty on the weight, a
            name, a :class:`lamina.regularizers.Regularizer` or a function ``array -> loss``; None
            by default.
        depthwise_constraint, pointwise_constraint, bias_constraint: function applied to the weight
            after each training step, a name, a :class:`lamina.constraints.Constraint` or a function
            ``array -> array``; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: a size is not a positive integer, a name is unknown, or the input has another
            number of axes or is smaller than the kernel.
        UnknownNameError: there is no activation, initializer, regularizer or constraint of that
            name.

    Source: Chollet, Xception, arXiv 1610.02357.
    """

    _weights = ("depthwise", "pointwise", "bias")

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: DataFormat | None = None,
        dilation_rate: int | Sequence[int] = 1,
        depth_multiplier: int = 1,
        activation: activations.ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: initializers.InitializerLike = "glorot_uniform",
        pointwise_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Unpack[SeparableOptions],
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


@with_family_docs
class SeparableConv1D(SeparableConvolution):
    """1D separable convolution over sequences.

    Shapes: ``[batch, time, channels] -> [batch, time', filters]``, or channels first.

    >>> import jax.numpy as jnp
    >>> SeparableConv1D(6, 3, strides=2)(jnp.ones((2, 7, 4))).shape
    (2, 3, 6)
    """

    rank = 1


@with_family_docs
class SeparableConv2D(SeparableConvolution):
    """2D separable convolution over images.

    Shapes: ``[batch, height, width, channels] -> [batch, height', width', filters]``, or channels
    first.

    >>> import jax.numpy as jnp
    >>> layer = SeparableConv2D(6, 3, depth_multiplier=2)
    >>> layer(jnp.ones((1, 5, 6, 4))).shape, layer.pointwise_kernel.shape
    ((1, 3, 4, 6), (1, 1, 8, 6))
    """

    rank = 2


SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
