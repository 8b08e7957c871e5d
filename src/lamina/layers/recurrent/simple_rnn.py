"""The fully connected recurrence."""

from __future__ import annotations

from typing import Any

import jax

from lamina.layers.recurrent.units import Cell, OverTime, Units
from lamina.ops.dense import dense
from lamina.ops.recurrence import State, simple_rnn, simple_rnn_step

__all__ = ["SimpleRNN", "SimpleRNNCell"]


class SimpleUnits(Units):
    """What :class:`SimpleRNN` and :class:`SimpleRNNCell` share."""

    def _step(self, inputs: jax.Array, states: State, recurrent_dropout: Any) -> State:
        return simple_rnn_step(
            dense(inputs, self.kernel, self.bias),
            states,
            self.recurrent_kernel,
            activation=self.activation,
            recurrent_dropout=recurrent_dropout,
        )

    def _over(
        self, sequences: jax.Array, start: Any, mask: jax.Array | None, **how: Any
    ) -> tuple[jax.Array, State]:
        weights = self.kernel, self.recurrent_kernel, self.bias
        start = None if start is None else tuple(start)
        return simple_rnn(sequences, *weights, start, mask, activation=self.activation, **how)


class SimpleRNNCell(SimpleUnits, Cell):
    """One step of :class:`SimpleRNN`, whose arguments it takes, for :class:`RNN` or by hand.

    Shapes: inputs ``[batch, features]`` and a state ``[batch, units]``, bare or in a list -> the
    output, which is the next state, and the state as it was given; weights as for
    :class:`SimpleRNN`.

    >>> import jax.numpy as jnp
    >>> output, state = SimpleRNNCell(4)(jnp.ones((2, 3)), jnp.zeros((2, 4)))
    >>> output.shape, bool((output == state).all())
    ((2, 4), True)
    """


class SimpleRNN(SimpleUnits, OverTime):
    """A fully connected recurrence over a sequence: ``h' = act(x kernel + h U + bias)``.

    Shapes: ``[batch, time, features] -> [batch, units]``, or ``[batch, time, units]`` with
    ``return_sequences``; weights ``kernel [features, units]``, ``recurrent_kernel [units, units]``
    (U) and ``bias [units]``.

    Args:
        units: the size of the state.
        activation: of the new state.
        use_bias: whether there is a bias.
        kernel_initializer: of ``kernel``.
        recurrent_initializer: of ``recurrent_kernel``.
        bias_initializer: of ``bias``.
        dropout, recurrent_dropout, seed: as for :class:`GRU`.
        **options: ``return_sequences`` and the others of :class:`RNN`, and ``name``,
            ``trainable`` and ``dtype``, as for any layer.

    Call takes ``initial_state`` and ``mask`` as that of :class:`GRU`.

    Raises:
        InputError: ``units`` or a rate is out of range, or a shape does not fit.
        BuildError: it is stateful, and the size of the batch is not known.
        LaminaError: dropout is asked for and no random key is in reach while training.
        UnknownNameError: an activation or initializer has no such name.

    Source: Elman, Finding structure in time, 1990.

    >>> import jax.numpy as jnp
    >>> SimpleRNN(4)(jnp.ones((2, 7, 3))).shape
    (2, 4)
    """
