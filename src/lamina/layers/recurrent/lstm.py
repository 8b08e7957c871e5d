"""The long short-term memory."""

from __future__ import annotations

from typing import Any

import jax

from lamina import activations, initializers
from lamina.layers.recurrent.forget_bias import forget_ones
from lamina.layers.recurrent.units import Cell, Kernels, OverTime, Units
from lamina.ops.dense import dense
from lamina.ops.recurrence import State, lstm, lstm_step

__all__ = ["LSTM", "LSTMCell"]


class LSTMUnits(Units):
    """What :class:`LSTM` and :class:`LSTMCell` share."""

    _gates = 4
    _arrays = 2

    def __init__(
        self,
        units: int,
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
            units,
            activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            **options,
        )
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    def _add_bias(self, gates: int) -> Any:
        law = self.bias_initializer
        law = forget_ones(law, self.units) if self.unit_forget_bias else law
        return self._weight("bias", (gates,), law)

    def _step(self, inputs: jax.Array, states: State, recurrent_dropout: Any) -> State:
        return lstm_step(
            dense(inputs, self.kernel, self.bias),
            states,
            self.recurrent_kernel,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            recurrent_dropout=recurrent_dropout,
        )

    def _over(
        self, sequences: jax.Array, start: Any, mask: jax.Array | None, **how: Any
    ) -> tuple[jax.Array, State]:
        return lstm(
            sequences,
            self.kernel,
            self.recurrent_kernel,
            self.bias,
            None if start is None else tuple(start),
            mask,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            **how,
        )


class LSTMCell(LSTMUnits, Cell):
    """One step of :class:`LSTM`, whose arguments it takes, for :class:`RNN` or by hand.

    Shapes: inputs ``[batch, features]`` and states h and c, ``[batch, units]`` each, in a list ->
    the output, which is the next h, and ``[h, c]``; weights as for :class:`LSTM`.

    >>> import jax.numpy as jnp
    >>> output, (h, c) = LSTMCell(4)(jnp.ones((2, 3)), [jnp.zeros((2, 4))] * 2)
    >>> output.shape, bool((output == h).all()), c.shape
    ((2, 4), True, (2, 4))
    """


class LSTM(LSTMUnits, OverTime, Kernels):
    """A long short-term memory over a sequence; :func:`lamina.ops.recurrence.lstm_step` is a step.

    Shapes: ``[batch, time, features] -> [batch, units]``, or ``[batch, time, units]`` with
    ``return_sequences``; weights ``kernel [features, 4 units]``, ``recurrent_kernel [units,
    4 units]`` and ``bias [4 units]``, gates in the order input, forget, candidate, output.

    Args:
        units: the size of each array of the state, h and c.
        activation: of the candidate and of c on its way out.
        recurrent_activation: of the three gates.
        use_bias: whether there is a bias.
        kernel_initializer: of ``kernel``.
        recurrent_initializer: of ``recurrent_kernel``.
        bias_initializer: of ``bias``.
        unit_forget_bias: whether the forget gate's biases start at 1, whatever
            ``bias_initializer`` says of the others.
        dropout, recurrent_dropout, seed: as for :class:`GRU`.
        **options: ``return_sequences`` and the others of :class:`RNN`; ``name``, ``trainable``
            and ``dtype``, as for any layer; and ``use_cudnn``, which may be "auto" or False, and
            changes nothing.

    Call takes ``initial_state``, a list of h and c, ``[batch, units]`` each, zeros by default, and
    ``mask``, bool, ``[batch, time]``: where False the state stays, and the output repeats h.

    Raises:
        InputError: ``units`` or a rate is out of range, or a shape does not fit.
        BuildError: it is stateful, and the size of the batch is not known.
        LaminaError: dropout is asked for and no random key is in reach while training.
        UnknownNameError: an activation or initializer has no such name.

    Source: Hochreiter, Schmidhuber, Long short-term memory, 1997; the forget gate is of Gers,
    Schmidhuber, Cummins, 2000.

    >>> import jax.numpy as jnp
    >>> layer = LSTM(4, return_sequences=True, return_state=True)
    >>> outputs, h, c = layer(jnp.ones((2, 7, 3)))
    >>> outputs.shape, h.shape, c.shape
    ((2, 7, 4), (2, 4), (2, 4))
    """
