"""Transposed convolutions over one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import jax

from lamina import activations, initializers
from lamina.errors import InputError, explain
from lamina.layers.bases.checks import check_count, check_each
from lamina.layers.bases.docstrings import with_family_docs
from lamina.layers.bases.options import KernelOptions
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
    """The base of the transposed convolutions; see :func:`lamina.ops.convolution.conv_transpose`.

    The transpose of a convolution, also called deconvolution: ``y[s p + d k, f] += sum_c x[p, c]
    kernel[k, f, c]`` for all p and k, cropped or padded to the output size, then ``act(y + bias)``.
    Weights: ``kernel [kernel_size..., filters, channels]`` and ``bias [filters]``. With
    ``t = (kernel_size - 1) d + 1`` and o the output padding, the output size is

    =========  ====================================  ==========================
    padding    without ``output_padding``            with ``output_padding``
    =========  ====================================  ==========================
    valid      ``(size - 1) s + max(t, s)``          ``(size - 1) s + t + o``
    same       ``size s``                            ``(size - 1) s + t % 2 + o``
    =========  ====================================  ==========================

    Args:
        filters: positive integer, number of output channels.
        kernel_size: positive integer, or one for each spatial axis: size of the kernel in points.
        strides: positive integer, or one for each spatial axis: s, distance of the outputs of
            neighboring inputs in points; 1 by default.
        padding: ``"valid"`` (default) or ``"same"``, see the table. Case is ignored.
        output_padding: integer >= 0 and below the stride, or one for each spatial axis: o, points
            added at the end of the output; None by default.
        data_format: ``"channels_last"`` (default) for ``[batch, space..., channels]``, or
            ``"channels_first"`` for ``[batch, channels, space...]``.
        dilation_rate: positive integer, or one for each spatial axis: d, distance between
            neighboring kernel elements in points; 1 by default.
        activation: name of an activation or function of one array, applied to the output; None
            (default) for none.
        use_bias: bool, whether to add a bias; True by default.
        kernel_initializer: initializer of ``kernel``, a name, a
            :class:`lamina.initializers.Initializer` or a function ``(key, shape, dtype) -> array``;
            ``"glorot_uniform"`` by default.
        bias_initializer: initializer of ``bias``; ``"zeros"`` by default.
        kernel_regularizer, bias_regularizer: penalty on ``kernel`` and on ``bias``, a name, a
            :class:`lamina.regularizers.Regularizer` or a function ``array -> loss``; None by
            default.
        kernel_constraint, bias_constraint: function applied to ``kernel`` and to ``bias`` after
            each training step, a name, a :class:`lamina.constraints.Constraint` or a function
            ``array -> array``; None by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: a size is not a positive integer, ``output_padding`` is not below the strides,
            strides and dilation rate are both above 1, a name is unknown, or the input has another
            number of axes.
        UnknownNameError: there is no activation, initializer, regularizer or constraint of that
            name.

    Source: Zeiler et al., Deconvolutional networks, CVPR 2010.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        output_padding: int | Sequence[int] | None = None,
        data_format: DataFormat | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: activations.ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Unpack[KernelOptions],
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
        self.output_padding = self._output_padding(output_padding)
        self._least = (0,) * self.rank  # an input may be smaller than the kernel
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

    def _output_padding(self, output_padding: Any) -> tuple[int, ...] | None:
        if output_padding is None:
            return None
        points = check_each(self, "output_padding", output_padding, self.rank, low=0)
        if any(point >= step for point, step in zip(points, self.strides, strict=True)):
            raise InputError(
                explain(
                    f"{type(self).__name__} got an output_padding that is not below its strides.",
                    where=f"made at {self._lamina.made_at}",
                    expected=f"output_padding below strides={self.strides} on each axis",
                    received=f"output_padding={output_padding}",
                    remedy="Leave output_padding out, or make it smaller than the strides.",
                )
            )
        return points


@with_family_docs
class Conv1DTranspose(ConvolutionTranspose):
    """1D transposed convolution over sequences.

    Shapes: ``[batch, time, channels] -> [batch, time', filters]``, or channels first.

    >>> import jax.numpy as jnp
    >>> Conv1DTranspose(4, 3, strides=2)(jnp.ones((2, 5, 3))).shape
    (2, 11, 4)
    """

    rank = 1


@with_family_docs
class Conv2DTranspose(ConvolutionTranspose):
    """2D transposed convolution over images.

    Shapes: ``[batch, height, width, channels] -> [batch, height', width', filters]``, or channels
    first.

    >>> import jax.numpy as jnp
    >>> layer = Conv2DTranspose(3, 4, strides=2, padding="same")
    >>> layer(jnp.ones((1, 5, 6, 2))).shape, layer.kernel.shape
    ((1, 10, 12, 3), (4, 4, 3, 2))
    """

    rank = 2


@with_family_docs
class Conv3DTranspose(ConvolutionTranspose):
    """3D transposed convolution over volumes.

    Shapes: ``[batch, depth, height, width, channels] -> [batch, depth', height', width',
    filters]``, or channels first. Here ``data_format`` comes before ``output_padding``.

    >>> import jax.numpy as jnp
    >>> Conv3DTranspose(4, 2, strides=2)(jnp.ones((1, 2, 3, 4, 1))).shape
    (1, 4, 6, 8, 4)
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: DataFormat | None = None,
        output_padding: int | Sequence[int] | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: activations.ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Unpack[KernelOptions],
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            **options,
        )


Convolution1DTranspose = Conv1DTranspose
Convolution2DTranspose = Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
