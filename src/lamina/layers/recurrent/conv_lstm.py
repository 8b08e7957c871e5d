"""The long short-term memory of images, and of other arrays over space."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax

from lamina import activations, initializers
from lamina.core.running.precision import compute_dtype
from lamina.layers.bases.checks import check_count, check_rank
from lamina.layers.convolution.convolution import Convolving
from lamina.layers.recurrent.base import Recurrence
from lamina.layers.recurrent.forget_bias import forget_ones
from lamina.layers.recurrent.units import Dropping
from lamina.ops.convolution import conv
from lamina.ops.recurrence import conv_lstm
from lamina.ops.spatial import DataFormat

__all__ = ["ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"]


class ConvLSTM(Convolving, Dropping, Recurrence):
    """A long short-term memory whose products are convolutions; the operation is
    :func:`lamina.ops.recurrence.conv_lstm`.

    Shapes: ``[batch, time, space..., channels] -> [batch, space'..., filters]``, with ``time``
    before space' if ``return_sequences``, or channels first; weights ``kernel [kernel_size...,
    channels, 4 filters]``, ``recurrent_kernel [kernel_size..., filters, 4 filters]`` and ``bias
    [4 filters]``, gates in the order input, forget, candidate, output.

    Args:
        filters: how many outputs a point has.
        kernel_size: how many taps the kernels have, one number or one for each axis of space.
        strides: points from window to window, one number or one for each axis; those of the
            state are next to each other.
        padding: ``"valid"`` for whole windows only, ``"same"`` for zeros at the edges; the state
            always has them.
        data_format: ``"channels_last"``, the default, or ``"channels_first"``, for ``[batch,
            time, channels, space...]``.
        dilation_rate: points from tap to tap, one number or one for each axis.
        activation: of the candidate and of c on its way out.
        recurrent_activation: of the three gates.
        use_bias: whether there is a bias.
        kernel_initializer: of ``kernel``.
        recurrent_initializer: of ``recurrent_kernel``.
        bias_initializer: of ``bias``.
        unit_forget_bias: whether the forget gate's biases start at 1, whatever
            ``bias_initializer`` says of the others.
        dropout, recurrent_dropout, seed: as for :class:`GRU`.
        **options: ``return_sequences`` and the others of :class:`RNN`, and ``name``,
            ``trainable`` and ``dtype``, as for any layer.

    Call takes ``initial_state``, a list of h and c, ``[batch, space'..., filters]`` each, zeros by
    default, and ``mask``, bool, ``[batch, time]``: where False the state stays, and the output
    repeats h.

    Raises:
        InputError: a size or a rate is out of range, strides and dilation are both above 1, a
            name stands for nothing, or a shape does not fit.
        BuildError: it is stateful, and the size of the batch or of space is not known.
        LaminaError: dropout is asked for and no random key is in reach while training.
        UnknownNameError: an activation or initializer has no such name.

    Source: Shi et al., Convolutional LSTM network, arXiv 1506.04214, without peepholes.

    >>> import jax.numpy as jnp
    >>> layer = ConvLSTM2D(4, 3, padding="same")
    >>> layer(jnp.ones((1, 5, 6, 6, 2))).shape, layer.kernel.shape
    ((1, 6, 6, 4), (3, 3, 2, 16))
    """

    _weights = ("kernel", "recurrent", "bias")

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: str = "valid",
        data_format: DataFormat | None = None,
        dilation_rate: int | tuple[int, ...] = 1,
        activation: activations.ActivationLike = "tanh",
        recurrent_activation: activations.ActivationLike = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        recurrent_initializer: initializers.InitializerLike = "orthogonal",
        bias_initializer: initializers.InitializerLike = "zeros",
        unit_forget_bias: bool = True,
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
        self.recurrent_activation = activations.get(recurrent_activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.unit_forget_bias = unit_forget_bias
        self._check_steps()

    def build(self, input_shape: Any) -> None:
        Recurrence.build(self, input_shape)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return Recurrence.compute_mask(self, inputs, mask)

    @property
    def _state_count(self) -> int:
        return 2

    @property
    def _state_axes(self) -> str:
        return self._named("filters")

    def _check_input(self, input_shape: Any) -> None:
        check_rank(self, input_shape, self._named("channels", "time"), exactly=True)
        self._check((input_shape[0], *input_shape[2:]))

    def _named(self, channels: str, *time: str) -> str:
        """The axes, by name."""
        space = ("rows", "columns", "depth")[: self.rank]
        last = self.data_format == "channels_last"
        return ", ".join(["batch", *time, *((*space, channels) if last else (channels, *space))])

    def _add_weights(self, input_shape: Any) -> None:
        gates = 4 * self.filters
        channels = self._channels((input_shape[0], *input_shape[2:]))
        kernel, recurrent = ((*self.kernel_size, size, gates) for size in (channels, self.filters))
        self.kernel = self._weight("kernel", kernel)
        self.recurrent_kernel = self._weight("recurrent", recurrent)
        law = self.bias_initializer
        if self.unit_forget_bias:
            law = forget_ones(law, self.filters)
        self.bias = self._weight("bias", (gates,), law) if self.use_bias else None

    def _state_specs(self, input_shape: Any) -> list[Any]:
        batch, _, *rest = input_shape
        dtype = compute_dtype(self)
        inputs = jax.ShapeDtypeStruct((batch, *rest), dtype)
        taps = (*self.kernel_size, self._channels((batch, *rest)), self.filters)
        kernel = jax.ShapeDtypeStruct(taps, dtype)
        return [jax.eval_shape(partial(conv, **self._window), inputs, kernel)] * 2

    def _run(
        self, sequences: jax.Array, start: Any, mask: jax.Array | None, training: bool
    ) -> tuple[jax.Array, Any]:
        batch, _, *rest = sequences.shape
        self._check((batch, *rest))
        state, _ = self._state_specs(sequences.shape)
        drops: dict[str, Any] = self._factors((batch, *rest), state.shape, training)
        return conv_lstm(
            sequences,
            self.kernel,
            self.recurrent_kernel,
            self.bias,
            None if start is None else tuple(start),
            mask,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            go_backwards=self.go_backwards,
            unroll=self.unroll,
            **self._window,
            **drops,
        )


class ConvLSTM1D(ConvLSTM):
    """A long short-term memory of rows: :class:`ConvLSTM` of ``[batch, time, rows, channels]``.

    >>> import jax.numpy as jnp
    >>> ConvLSTM1D(4, 3, return_sequences=True)(jnp.ones((2, 5, 7, 3))).shape
    (2, 5, 5, 4)
    """

    rank = 1


class ConvLSTM2D(ConvLSTM):
    """A long short-term memory of images: :class:`ConvLSTM` of
    ``[batch, time, rows, columns, channels]``.

    >>> import jax.numpy as jnp
    >>> output, h, c = ConvLSTM2D(4, 3, strides=2, return_state=True)(jnp.ones((2, 5, 7, 7, 3)))
    >>> output.shape, h.shape, c.shape
    ((2, 3, 3, 4), (2, 3, 3, 4), (2, 3, 3, 4))
    """

    rank = 2


class ConvLSTM3D(ConvLSTM):
    """A long short-term memory of volumes: :class:`ConvLSTM` of
    ``[batch, time, rows, columns, depth, channels]``.

    >>> import jax.numpy as jnp
    >>> ConvLSTM3D(2, 2)(jnp.ones((1, 2, 3, 3, 3, 1))).shape
    (1, 2, 2, 2, 2)
    """

    rank = 3
