"""The base of the convolutional LSTM layers, for any number of spatial axes."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Unpack, cast

import jax

from lamina import activations, constraints, initializers, regularizers
from lamina.constraints import ConstraintLike
from lamina.core.running.precision import compute_dtype
from lamina.core.tree.variable import Variable
from lamina.errors import InputError, explain
from lamina.layers.bases.checks import (
    check_choice,
    check_count,
    check_data_format,
    check_each,
    check_rank,
    check_room,
    check_within,
)
from lamina.layers.recurrent.base import RecurrentLayer
from lamina.layers.recurrent.dropout import draw_factors
from lamina.layers.recurrent.forget_bias import forget_ones
from lamina.layers.recurrent.options import SequenceOptions
from lamina.ops.convolution import Padding, conv, extent
from lamina.ops.recurrence import conv_lstm
from lamina.ops.spatial import DataFormat, channel_axis, spatial_axes
from lamina.regularizers import RegularizerLike

__all__ = ["ConvLSTM"]


class ConvLSTM(RecurrentLayer):
    """The base of ConvLSTM1D, ConvLSTM2D and ConvLSTM3D; a subclass gives its ``rank``.

    The arguments are documented there.
    """

    rank: ClassVar[int]

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
        *,
        kernel_regularizer: RegularizerLike = None,
        recurrent_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        recurrent_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **options: Unpack[SequenceOptions],
    ) -> None:
        super().__init__(**options)
        self.filters = check_count(self, "filters", filters)
        self.kernel_size = check_each(self, "kernel_size", kernel_size, self.rank)
        self.strides = check_each(self, "strides", strides, self.rank)
        self.padding = cast(Padding, self._checked_padding(padding))
        self.data_format: DataFormat = check_data_format(self, data_format)
        self.dilation_rate = check_each(self, "dilation_rate", dilation_rate, self.rank)
        self._check_strides()
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.unit_forget_bias = unit_forget_bias
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = check_within(self, "dropout", dropout)
        self.recurrent_dropout = check_within(self, "recurrent_dropout", recurrent_dropout)
        self.seed = seed

    @property
    def _state_count(self) -> int:
        return 2

    @property
    def _state_axes(self) -> str:
        return self._axis_names("filters")

    def _checked_padding(self, padding: Any) -> Any:
        lower = padding.lower() if isinstance(padding, str) else padding
        return check_choice(self, "padding", lower, ("valid", "same"))

    def _check_strides(self) -> None:
        """Refuses strides together with a dilation: some points would be in no window."""
        if max(self.strides) == 1 or max(self.dilation_rate) == 1:
            return
        raise InputError(
            explain(
                f"{type(self).__name__} got both strides and a dilation.",
                where=f"made at {self._lamina.made_at}",
                expected="strides=1 or dilation_rate=1",
                received=f"strides={self.strides}, dilation_rate={self.dilation_rate}",
                remedy="Leave one of them at 1.",
            )
        )

    def _check_input(self, input_shape: Any) -> None:
        check_rank(self, input_shape, self._axis_names("channels", "time"), exactly=True)
        step = (input_shape[0], *input_shape[2:])
        sizes = tuple(step[axis] for axis in spatial_axes(len(step), self.data_format))
        smallest = (0,) * self.rank
        if self.padding == "valid":
            smallest = tuple(map(extent, self.kernel_size, self.dilation_rate))
        check_room(self, sizes, smallest, ", ".join(self._space))

    @property
    def _space(self) -> tuple[str, ...]:
        return ("rows", "columns", "depth")[: self.rank]

    def _axis_names(self, channels: str, *time: str) -> str:
        last = self.data_format == "channels_last"
        rest = (*self._space, channels) if last else (channels, *self._space)
        return ", ".join(["batch", *time, *rest])

    def _add_weights(self, input_shape: Any) -> None:
        step = (input_shape[0], *input_shape[2:])
        channels = step[channel_axis(len(step), self.data_format)]
        gates = 4 * self.filters
        self.kernel = self.add_weight(
            (*self.kernel_size, channels, gates),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            (*self.kernel_size, self.filters, gates),
            self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias: Variable | None = None
        if self.use_bias:
            initializer = self.bias_initializer
            self.bias = self.add_weight(
                (gates,),
                forget_ones(initializer, self.filters) if self.unit_forget_bias else initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _state_specs(self, input_shape: Any) -> list[Any]:
        batch, _, *rest = input_shape
        dtype = compute_dtype(self)
        inputs = jax.ShapeDtypeStruct((batch, *rest), dtype)
        channels = inputs.shape[channel_axis(inputs.ndim, self.data_format)]
        kernel = jax.ShapeDtypeStruct((*self.kernel_size, channels, self.filters), dtype)
        return [jax.eval_shape(partial(conv, **self._window), inputs, kernel)] * 2

    @property
    def _window(self) -> dict[str, Any]:
        """The options of the inputs' convolution."""
        return {
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "data_format": self.data_format,
        }

    def _scan(
        self,
        sequences: jax.Array,
        initial_state: Any,
        mask: jax.Array | None,
        training: bool,
        *,
        go_backwards: bool,
        unroll: bool,
    ) -> tuple[jax.Array, Any]:
        self._check_input(sequences.shape)
        batch, _, *rest = sequences.shape
        state, _ = self._state_specs(sequences.shape)
        return conv_lstm(
            sequences,
            self.kernel,
            self.recurrent_kernel,
            self.bias,
            None if initial_state is None else tuple(initial_state),
            mask,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            go_backwards=go_backwards,
            unroll=unroll,
            **self._window,
            **draw_factors(self, (batch, *rest), state.shape, training),
        )
