"""Layers that spread the points of space through a kernel."""

from __future__ import annotations

from typing import Any

import jax

from lamina import activations, initializers
from lamina.errors import InputError, explain
from lamina.layers.bases.checks import check_count, check_each
from lamina.layers.convolution.convolution import Convolving
from lamina.ops.convolution import conv_transpose
from lamina.ops.spatial import DataFormat

__all__ = [
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
    "Convolution1DTranspose",
    "Convolution2DTranspose",
    "Convolution3DTranspose",
]


class ConvolutionTranspose(Convolving):
    """Points spread over space by a kernel; :func:`lamina.ops.convolution.conv_transpose`.

    ``y[s p + d k, f] += sum_c x[p, c] kernel[k, f, c]`` for all p and k, cut to size, then
    ``act(y + bias)``: what a convolution's gradient does. Shapes: ``[batch, space..., channels] ->
    [batch, space'..., filters]``, or channels first; weights ``kernel [kernel_size..., filters,
    channels]`` and ``bias [filters]``. With t the span ``(kernel_size - 1) d + 1`` of the kernel
    and o the output padding, space' is

    =========  ====================================  ========================
    padding    without ``output_padding``            with it
    =========  ====================================  ========================
    valid      ``(size - 1) s + max(t, s)``          ``(size - 1) s + t + o``
    same       ``size s``                            ``(size - 1) s + t % 2 + o``
    =========  ====================================  ========================

    Args:
        filters: how many outputs a point has.
        kernel_size: how many taps k the kernel has, one number or one for each axis of space.
        strides: s, points from window to window, one number or one for each axis.
        padding: ``"valid"`` or ``"same"``.
        output_padding: points more behind, below the stride, one number or one for each axis.
        data_format: ``"channels_last"``, the default, or ``"channels_first"``.
        dilation_rate: d, points from tap to tap, one number or one for each axis.
        activation: a name or a function of one array; None for none.
        use_bias: whether a bias is added.
        kernel_initializer: of ``kernel``.
        bias_initializer: of ``bias``.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: a size is not a whole number above 0, ``output_padding`` is not below the
            strides, strides and dilation are both above 1, a name stands for nothing, or the
            input has another number of axes.
        UnknownNameError: an activation or initializer has no such name.

    Source: Zeiler et al., Deconvolutional networks, CVPR 2010.

    >>> import jax.numpy as jnp
    >>> layer = Conv2DTranspose(3, 4, strides=2, padding="same")
    >>> layer(jnp.ones((1, 5, 6, 2))).shape, layer.kernel.shape
    ((1, 10, 12, 3), (4, 4, 3, 2))
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: str = "valid",
        output_padding: int | tuple[int, ...] | None = None,
        data_format: DataFormat | None = None,
        dilation_rate: int | tuple[int, ...] = 1,
        activation: activations.ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
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
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.output_padding = self._behind(output_padding)
        self._least = (0,) * self.rank  # any point can be spread
        self._check_steps()

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        shape = (*self.kernel_size, self.filters, self._channels(input_shape))
        self.kernel = self._weight("kernel", shape)
        self.bias = self._add_bias(self.filters)

    def call(self, inputs: jax.Array) -> jax.Array:
        spread = conv_transpose(
            inputs, self.kernel, self.bias, output_padding=self.output_padding, **self._window
        )
        return activations.get(self.activation)(spread)

    def _behind(self, output_padding: Any) -> tuple[int, ...] | None:
        if output_padding is None:
            return None
        points = check_each(self, "output_padding", output_padding, self.rank, low=0)
        if any(point >= step for point, step in zip(points, self.strides, strict=True)):
            raise InputError(
                explain(
                    f"{type(self).__name__} got more output_padding than its strides leave open.",
                    where=f"made at {self._lamina.made_at}",
                    expected=f"output_padding below strides={self.strides} on each axis",
                    received=f"output_padding={output_padding}",
                    remedy="Leave output_padding out, or make it smaller than the strides.",
                )
            )
        return points


class Conv1DTranspose(ConvolutionTranspose):
    """Points spread over time: :class:`ConvolutionTranspose` of ``[batch, time, channels]``.

    >>> import jax.numpy as jnp
    >>> Conv1DTranspose(4, 3, strides=2)(jnp.ones((2, 5, 3))).shape
    (2, 11, 4)
    """

    rank = 1


class Conv2DTranspose(ConvolutionTranspose):
    """Points spread over images: :class:`ConvolutionTranspose` of
    ``[batch, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> Conv2DTranspose(4, 3, strides=2, padding="same")(jnp.ones((2, 5, 6, 3))).shape
    (2, 10, 12, 4)
    """

    rank = 2


class Conv3DTranspose(ConvolutionTranspose):
    """Points spread over volumes: :class:`ConvolutionTranspose` of
    ``[batch, depth, height, width, channels]``, with ``data_format`` before ``output_padding``.

    >>> import jax.numpy as jnp
    >>> Conv3DTranspose(4, 2, strides=2)(jnp.ones((1, 2, 3, 4, 1))).shape
    (1, 4, 6, 8, 4)
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: str = "valid",
        data_format: DataFormat | None = None,
        output_padding: int | tuple[int, ...] | None = None,
        *args: Any,
        **options: Any,
    ) -> None:
        super().__init__(
            filters, kernel_size, strides, padding, output_padding, data_format, *args, **options
        )


Convolution1DTranspose = Conv1DTranspose
Convolution2DTranspose = Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
