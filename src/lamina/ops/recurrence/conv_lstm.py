"""The convolutional LSTM."""

from __future__ import annotations

import jax
from jax import lax

from lamina.ops.arrays import Operand, cast, float_dtype
from lamina.ops.convolution import Padding, conv
from lamina.ops.dropout import scaled
from lamina.ops.recurrence.cell import Activation, State
from lamina.ops.recurrence.generic import over_steps, zero_state
from lamina.ops.recurrence.lstm import lstm_cell
from lamina.ops.spatial import DataFormat, channel_axis

__all__ = ["conv_lstm"]


def conv_lstm(
    sequence: Operand,
    kernel: Operand,
    recurrent_kernel: Operand,
    bias: Operand | None = None,
    initial_state: tuple[Operand, Operand] | None = None,
    mask: Operand | None = None,
    *,
    strides: tuple[int, ...] | None = None,
    padding: Padding = "valid",
    data_format: DataFormat = "channels_last",
    dilation_rate: tuple[int, ...] | None = None,
    activation: Activation = lax.tanh,
    recurrent_activation: Activation = lax.logistic,
    go_backwards: bool = False,
    dropout: Operand | None = None,
    recurrent_dropout: Operand | None = None,
    unroll: bool = False,
) -> tuple[jax.Array, State]:
    """Runs a convolutional LSTM over a sequence of images, or of arrays with other spatial axes.

    The equations are those of :func:`lamina.ops.recurrence.lstm_step`, with convolutions in place
    of products: ``g = x * kernel + bias`` and ``h * U``. The state's convolution has stride 1 and
    padding ``"same"``. The inputs of all steps are convolved at once, before the loop.

    Args:
        sequence: ``[batch, time, space..., channels]``, or ``[batch, time, channels, space...]``.
        kernel: ``[*kernel_size, channels, 4 filters]``, gates in the order input, forget,
            candidate, output.
        recurrent_kernel: ``[*kernel_size, filters, 4 filters]``, in the same order.
        bias: ``[4 filters]``; None by default.
        initial_state: h and c, ``[batch, space'..., filters]`` each, or channels first; zeros
            if None (default).
        mask: bool ``[batch, time]``, False at padding, where the state does not change and the
            output repeats it; None by default.
        strides, padding, data_format, dilation_rate: options of the input's convolution, as for
            :func:`lamina.ops.convolution.conv`.
        activation: activation of the candidate and of c in the output; tanh by default.
        recurrent_activation: activation of the three gates; sigmoid by default.
        go_backwards: start at the last step, and return outputs in the order of processing; False
            by default.
        dropout: dropout factors of the shape of one step's input, for all steps; None by default.
        recurrent_dropout: dropout factors of the shape of h, for the gates; None by default.
        unroll: compile the steps one after the other instead of a loop; False by default.

    Returns:
        ``(outputs, (h, c))``: ``[batch, time, space'..., filters]``, and the final state.

    Source: Shi et al., Convolutional LSTM network, arXiv 1506.04214, without peephole connections.

    >>> import jax.numpy as jnp
    >>> sequence, kernel = jnp.ones((2, 5, 7, 3)), jnp.ones((3, 3, 8))
    >>> outputs, (h, c) = conv_lstm(sequence, kernel, jnp.ones((3, 2, 8)))
    >>> outputs.shape, h.shape, c.shape
    ((2, 5, 5, 2), (2, 5, 2), (2, 5, 2))
    """
    dtype = float_dtype(sequence, kernel, recurrent_kernel, bias, *(initial_state or ()))
    x, weights = cast(sequence, dtype), cast(recurrent_kernel, dtype)
    if dropout is not None:
        x = scaled(x, lax.expand_dims(cast(dropout, dtype), (1,)))
    if go_backwards:
        x, mask = lax.rev(x, (1,)), None if mask is None else lax.rev(cast(mask, bool), (1,))
    batch, time, *rest = x.shape
    projected = conv(
        lax.reshape(x, (batch * time, *rest)), cast(kernel, dtype), bias, strides=strides,
        padding=padding, data_format=data_format, dilation_rate=dilation_rate,
    )  # fmt: skip
    axis = channel_axis(projected.ndim, data_format)
    cell = lstm_cell(activation, recurrent_activation, axis=axis)

    def step(gates: jax.Array, state: State, _: None) -> tuple[jax.Array, State]:
        h = state[0]
        if recurrent_dropout is not None:
            h = scaled(h, cast(recurrent_dropout, dtype))
        after = cell(gates, conv(h, weights, padding="same", data_format=data_format), state)
        return after[0], after

    shape = [batch, *projected.shape[1:]]
    shape[axis] = weights.shape[-2]
    zeros = zero_state(x, tuple(shape), dtype)
    start = tuple(zeros + cast(given, dtype) for given in initial_state or ()) or (zeros, zeros)
    projected = lax.reshape(projected, (batch, time, *projected.shape[1:]))
    return over_steps(step, projected, start, mask, unroll=unroll)
