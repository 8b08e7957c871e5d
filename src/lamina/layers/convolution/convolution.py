"""Layers that slide a kernel over space."""

from __future__ import annotations

from typing import Any, ClassVar

import jax

from lamina import activations, initializers
from lamina.errors import InputError, explain
from lamina.layers.bases.checks import check_count, check_multiple
from lamina.layers.bases.low_rank import Adaptable
from lamina.layers.bases.spatial import Spatial
from lamina.layers.bases.weights import Weighted
from lamina.ops.convolution import conv, extent
from lamina.ops.spatial import DataFormat

__all__ = ["Conv1D", "Conv2D", "Conv3D", "Convolution1D", "Convolution2D", "Convolution3D"]


class Convolving(Spatial, Weighted):
    """What all layers with a kernel over space share: its window, and what follows its sums."""

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
        """Strides and a dilation at once leave points out of all windows: refuse them."""
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise InputError(
                explain(
                    f"{type(self).__name__} got both strides and a dilation.",
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
        """The window as the operations take it."""
        return {
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "data_format": self.data_format,
        }


class Convolution(Convolving, Adaptable):
    """A kernel slid over space, and an activation; :func:`lamina.ops.convolution.conv`.

    ``y[p, f] = act(sum_{k, c} x[s p + d k, c] kernel[k, c, f] + bias[f])``, s the stride and d
    the dilation. Shapes: ``[batch, space..., channels] -> [batch, space'..., filters]``, or
    channels first; weights ``kernel [kernel_size..., channels / groups, filters]`` and
    ``bias [filters]``. Sizes of space may be unknown.

    Args:
        filters: how many outputs a point has.
        kernel_size: how many taps k the kernel has, one number or one for each axis of space.
        strides: points from window to window, one number or one for each axis.
        padding: ``"valid"`` for whole windows only; ``"same"`` for ``ceil(size / s)`` of them,
            with zeros at the edges; ``"causal"`` (`Conv1D`) for windows that end at their point.
        data_format: ``"channels_last"``, the default, or ``"channels_first"``.
        dilation_rate: points from tap to tap, one number or one for each axis.
        groups: into how many parts channels and filters fall that do not see each other.
        activation: a name or a function of one array; None for none.
        use_bias: whether a bias is added.
        kernel_initializer: of ``kernel``.
        bias_initializer: of ``bias``.
        **options: ``lora_rank`` and ``lora_alpha``, of :meth:`enable_lora`; ``name``,
            ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: a size is not a whole number above 0, ``groups`` does not divide filters and
            channels, strides and dilation are both above 1, a name stands for nothing, or the
            input has another number of axes or is smaller than the kernel.
        UnknownNameError: an activation or initializer has no such name.

    >>> import jax.numpy as jnp
    >>> layer = Conv2D(8, 3, strides=2, groups=2)
    >>> layer(jnp.ones((1, 9, 9, 4))).shape, layer.kernel.shape
    ((1, 4, 4, 8), (3, 3, 2, 8))
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: str = "valid",
        data_format: DataFormat | None = None,
        dilation_rate: int | tuple[int, ...] = 1,
        groups: int = 1,
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
        outputs = conv(inputs, self._changed(), self.bias, **self._window)
        return activations.get(self.activation)(outputs)


class Conv1D(Convolution):
    """A kernel slid over time: :class:`Convolution` of ``[batch, time, channels]``.

    >>> import jax.numpy as jnp
    >>> layer = Conv1D(4, 3, padding="causal", dilation_rate=2)
    >>> layer(jnp.ones((2, 7, 5))).shape, layer.kernel.shape
    ((2, 7, 4), (3, 5, 4))
    """

    rank = 1
    _paddings = ("valid", "same", "causal")


class Conv2D(Convolution):
    """A kernel slid over images: :class:`Convolution` of ``[batch, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> layer = Conv2D(8, 3, padding="same", activation="relu")
    >>> layer(jnp.ones((1, 28, 28, 3))).shape, layer.kernel.shape
    ((1, 28, 28, 8), (3, 3, 3, 8))
    """

    rank = 2


class Conv3D(Convolution):
    """A kernel slid over volumes: :class:`Convolution` of
    ``[batch, depth, height, width, channels]``.

    >>> import jax.numpy as jnp
    >>> layer = Conv3D(2, (1, 2, 3))
    >>> layer(jnp.ones((1, 4, 4, 4, 1))).shape, layer.kernel.shape
    ((1, 4, 3, 2, 2), (1, 2, 3, 1, 2))
    """

    rank = 3


Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
