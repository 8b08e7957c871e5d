"""Convolutions over one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

import jax

from lamina import activations, initializers
from lamina.errors import InputError, explain
from lamina.layers.bases.checks import check_count, check_multiple
from lamina.layers.bases.docstrings import with_family_docs
from lamina.layers.bases.low_rank import Adaptable
from lamina.layers.bases.options import AdaptableOptions
from lamina.layers.bases.spatial import Spatial
from lamina.layers.bases.weights import Weighted
from lamina.ops.convolution import biased, conv, extent
from lamina.ops.spatial import DataFormat

__all__ = ["Conv1D", "Conv2D", "Conv3D", "Convolution1D", "Convolution2D", "Convolution3D"]


class Convolving(Spatial, Weighted):
    """The base of layers that slide a kernel over space: window, bias and activation."""

    _paddings: ClassVar[tuple[str, ...]] = ("valid", "same")

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: Any,
        data_format: DataFormat | None,
        dilation_rate: Any,
        activation: activations.ActivationLike,
        use_bias: bool,
        bias_initializer: initializers.InitializerLike,
        **options: Any,
    ) -> None:
        super().__init__(data_format, **options)
        self.kernel_size = self._sizes("kernel_size", kernel_size)
        self.strides = self._sizes("strides", strides)
        self.padding = self._lower("padding", padding, *self._paddings)
        self.dilation_rate = self._sizes("dilation_rate", dilation_rate)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.bias_initializer = initializers.get(bias_initializer)
        if self.padding == "valid":
            self._least = tuple(map(extent, self.kernel_size, self.dilation_rate))

    def _check_steps(self) -> None:
        """Refuses strides together with a dilation: some inputs would be in no window."""
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise InputError(
                explain(
                    f"{type(self).__name__} got both strides and a dilation rate.",
                    where=f"made at {self._lamina.made_at}",
                    expected="strides=1 or dilation_rate=1",
                    received=f"strides={self.strides}, dilation_rate={self.dilation_rate}",
                    remedy="Leave one of them at 1.",
                )
            )

    def _add_bias(self, size: int) -> Any:
        return self._weight("bias", (size,)) if self.use_bias else None

    @property
    def _window(self) -> dict[str, Any]:
        """The arguments of the operations for the window."""
        return {
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "data_format": self.data_format,
        }


class Convolution(Convolving, Adaptable):
    """The base of the convolutions; see :func:`lamina.ops.convolution.conv`.

    ``y[p, f] = act(sum_{k, c} x[s p + d k, c] kernel[k, c, f] + bias[f])``, with s the stride and
    d the dilation rate. Weights: ``kernel [kernel_size..., channels / groups, filters]`` and
    ``bias [filters]``. Sizes of spatial axes may be unknown.

    Args:
        filters: positive integer, number of output channels.
        kernel_size: positive integer, or one for each spatial axis: size of the kernel in points.
        strides: positive integer, or one for each spatial axis: s, distance between neighboring
            windows in points; 1 by default.
        padding: ``"valid"`` (default) for no padding; ``"same"`` to pad with zeros on both sides to
            an output size of ``ceil(size / s)``; ``"causal"``, for time only, to pad in front so
            that no output depends on later inputs. Case is ignored.
        data_format: ``"channels_last"`` (default) for ``[batch, space..., channels]``, or
            ``"channels_first"`` for ``[batch, channels, space...]``.
        dilation_rate: positive integer, or one for each spatial axis: d, distance between
            neighboring kernel elements in points; 1 by default.
        groups: positive integer that divides channels and filters: the output channels of a group
            depend on its input channels only; 1 by default.
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
        lora_rank: positive integer, rank of a LoRA update of the frozen kernel, see
            :meth:`enable_lora`; None (default) for no LoRA.
        lora_alpha: float >= 0, numerator of the update's scale ``lora_alpha / lora_rank``; the
            rank by default.
        **options: as for every :class:`lamina.Layer`: ``name``, ``trainable``, ``dtype``,
            ``activity_regularizer``, ``input_shape``, ``input_dim``.

    Raises:
        InputError: a size is not a positive integer, ``groups`` does not divide filters and
            channels, strides and dilation rate are both above 1, a name is unknown, or the input
            has another number of axes or is smaller than the kernel.
        UnknownNameError: there is no activation, initializer, regularizer or constraint of that
            name.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: DataFormat | None = None,
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
        activation: activations.ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Unpack[AdaptableOptions],
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
        self.groups = check_count(self, "groups", groups)
        self.kernel_initializer = initializers.get(kernel_initializer)
        check_multiple(self, "filters", self.filters, "groups", self.groups)
        self._check_steps()

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        channels = self._channels(input_shape)
        check_multiple(self, "channels", channels, "groups", self.groups)
        seen = None if channels is None else channels // self.groups
        shape = (*self.kernel_size, seen, self.filters)
        self.kernel = self._kernel(shape)
        self.bias = self._add_bias(self.filters)

    def call(self, inputs: jax.Array) -> jax.Array:
        self._check(inputs.shape)
        outputs = self.convolution_op(inputs, self._changed())
        outputs = biased(outputs, self.bias, self.data_format)
        return activations.get(self.activation)(outputs)

    def convolution_op(self, inputs: jax.Array, kernel: jax.Array) -> jax.Array:
        """Compute the convolution, without bias and activation; a subclass may override it.

        Args:
            inputs: ``[batch, space..., channels]``, or channels first.
            kernel: ``[kernel_size..., channels / groups, filters]``.

        Returns:
            ``[batch, space'..., filters]``, or channels first.
        """
        return conv(inputs, kernel, None, **self._window)


@with_family_docs
class Conv1D(Convolution):
    """1D convolution over sequences.

    Shapes: ``[batch, time, channels] -> [batch, time', filters]``, or channels first.

    >>> import jax.numpy as jnp
    >>> layer = Conv1D(4, 3, padding="causal", dilation_rate=2)
    >>> layer(jnp.ones((2, 7, 5))).shape, layer.kernel.shape
    ((2, 7, 4), (3, 5, 4))
    """

    rank = 1
    _paddings = ("valid", "same", "causal")


@with_family_docs
class Conv2D(Convolution):
    """2D convolution over images.

    Shapes: ``[batch, height, width, channels] -> [batch, height', width', filters]``, or channels
    first.

    >>> import jax.numpy as jnp
    >>> layer = Conv2D(8, 3, padding="same", activation="relu")
    >>> layer(jnp.ones((1, 28, 28, 3))).shape, layer.kernel.shape
    ((1, 28, 28, 8), (3, 3, 3, 8))
    """

    rank = 2


@with_family_docs
class Conv3D(Convolution):
    """3D convolution over volumes.

    Shapes: ``[batch, depth, height, width, channels] -> [batch, depth', height', width',
    filters]``, or channels first.

    >>> import jax.numpy as jnp
    >>> layer = Conv3D(2, (1, 2, 3))
    >>> layer(jnp.ones((1, 4, 4, 4, 1))).shape, layer.kernel.shape
    ((1, 4, 3, 2, 2), (1, 2, 3, 1, 2))
    """

    rank = 3


Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
