"""The fully connected recurrent unit."""

from __future__ import annotations

from typing import Any, Unpack

import jax

from lamina import activations, initializers
from lamina.layers.recurrent.base import RecurrentLayer
from lamina.layers.recurrent.options import CellOptions, RecurrentOptions
from lamina.layers.recurrent.units import Recurrence, RecurrentCell, RecurrentUnits
from lamina.ops.dense import dense
from lamina.ops.recurrence import State, simple_rnn, simple_rnn_step

__all__ = ["SimpleRNN", "SimpleRNNCell"]


def _step(layer: Any, inputs: jax.Array, states: State, factors: jax.Array | None) -> State:
    return simple_rnn_step(
        dense(inputs, layer.kernel, layer.bias),
        states,
        layer.recurrent_kernel,
        activation=layer.activation,
        recurrent_dropout=factors,
    )


def _run(
    layer: Any, sequences: jax.Array, initial_state: Any, mask: jax.Array | None, **options: Any
) -> tuple[jax.Array, State]:
    weights = layer.kernel, layer.recurrent_kernel, layer.bias
    return simple_rnn(
        sequences, *weights, initial_state, mask, activation=layer.activation, **options
    )


_RECURRENCE = Recurrence(gates=1, states=1, step=_step, run=_run)


class SimpleRNNCell(RecurrentCell):
    """One step of :class:`SimpleRNN`, for :class:`RNN` or for a loop written by hand.

    ``h_t = activation(x_t kernel + h_{t-1} recurrent_kernel + bias)``

    Shapes: inputs ``[batch, features]`` and state ``[batch, units]`` -> output ``[batch, units]``
    and the next state. Weights as for :class:`SimpleRNN`.

    Args:
        units: size of the state h, a positive integer.
        activation: activation of the new state, a name, a function or None; ``"tanh"`` by default.
        use_bias: add ``bias``; True by default.
        kernel_initializer: initializer of ``kernel``; ``"glorot_uniform"`` by default.
        recurrent_initializer: initializer of ``recurrent_kernel``; ``"orthogonal"`` by default.
        bias_initializer: initializer of ``bias``; ``"zeros"`` by default.
        kernel_regularizer: penalty on ``kernel``, added to the loss; None by default.
        recurrent_regularizer: penalty on ``recurrent_kernel``; None by default.
        bias_regularizer: penalty on ``bias``; None by default.
        kernel_constraint: function applied to ``kernel`` after each training step; None by default.
        recurrent_constraint: the same for ``recurrent_kernel``.
        bias_constraint: the same for ``bias``.
        dropout: dropout rate of the inputs, in [0, 1]; 0 by default.
        recurrent_dropout: dropout rate of the state, in [0, 1]; 0 by default.
        seed: integer folded into the random key of the dropout; None by default.
        implementation: int, accepted as in Keras, without effect; 2 by default.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        inputs: ``[batch, features]``, one step.
        states: the state h, ``[batch, units]``, bare or in a list.
        training: apply dropout; False by default.
        over_time: inputs are ``[batch, time, features]``, and all steps are computed; False by
            default.
        mask: bool ``[batch, time]``, False at padding, for ``over_time``; None by default.
        unroll: compile the steps without a loop, for ``over_time``; False by default.

    Returns:
        ``(output, states)``: the output is the next h, and the states have the form they came in.

    Raises:
        InputError: ``units`` or a rate is out of range, or a shape does not fit.
        LaminaError: dropout needs a random key, and the call has none.
        UnknownNameError: an activation, initializer, regularizer or constraint is unknown.

    Source: Elman, Finding structure in time, 1990.

    >>> import jax.numpy as jnp
    >>> output, state = SimpleRNNCell(4)(jnp.ones((2, 3)), jnp.zeros((2, 4)))
    >>> output.shape, bool((output == state).all())
    ((2, 4), True)
    """

    _recurrence = _RECURRENCE

    def __init__(
        self,
        units: int,
        activation: activations.ActivationLike = "tanh",
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        recurrent_initializer: initializers.InitializerLike = "orthogonal",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Unpack[CellOptions],
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


class SimpleRNN(RecurrentUnits, RecurrentLayer):
    """Fully connected recurrent layer, whose output is its new state.

    ``h_t = activation(x_t kernel + h_{t-1} recurrent_kernel + bias)``

    Shapes: ``[batch, time, features] -> [batch, units]``, or ``[batch, time, units]`` with
    ``return_sequences``. Weights: ``kernel [features, units]``, ``recurrent_kernel [units, units]``
    and ``bias [units]``.

    Args:
        units: size of the state h, a positive integer.
        activation: activation of the new state, a name, a function or None; ``"tanh"`` by default.
        use_bias: add ``bias``; True by default.
        kernel_initializer: initializer of ``kernel``; ``"glorot_uniform"`` by default.
        recurrent_initializer: initializer of ``recurrent_kernel``; ``"orthogonal"`` by default.
        bias_initializer: initializer of ``bias``; ``"zeros"`` by default.
        kernel_regularizer: penalty on ``kernel``, added to the loss; None by default.
        recurrent_regularizer: penalty on ``recurrent_kernel``; None by default.
        bias_regularizer: penalty on ``bias``; None by default.
        kernel_constraint: function applied to ``kernel`` after each training step; None by default.
        recurrent_constraint: the same for ``recurrent_kernel``.
        bias_constraint: the same for ``bias``.
        dropout: dropout rate of the inputs, in [0, 1], with one mask for all steps; 0 by default.
        recurrent_dropout: dropout rate of the state, in [0, 1], with one mask for all steps; 0 by
            default.
        seed: integer folded into the random key of the dropout; None by default.
        implementation: int, accepted as in Keras, without effect; 2 by default.
        return_sequences: return the outputs of all steps instead of the last one; False by
            default.
        return_state: return ``(output, state)``; False by default.
        go_backwards: process the sequence from its last step, and return the outputs in that
            order; False by default.
        stateful: start each batch from the final state of the previous one, kept in the
            non-trainable variables ``states``; False by default.
        unroll: compile the steps one after the other instead of a loop; False by default.
        zero_output_for_mask: output zeros at masked steps instead of the previous output; False
            by default.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        sequences: ``[batch, time, features]``.
        initial_state: ``[batch, units]``, or a list of one such array; zeros by default.
        mask: bool ``[batch, time]``, False at padding: there the state does not change, and the
            output repeats it. None by default.
        training: apply dropout; False by default.

    Returns:
        The output, or ``(output, state)`` with ``return_state``.

    Raises:
        InputError: ``units`` or a rate is out of range, or a shape does not fit.
        BuildError: the layer is stateful, and the size of the batch is unknown.
        LaminaError: dropout needs a random key, and the call has none.
        UnknownNameError: an activation, initializer, regularizer or constraint is unknown.

    Source: Elman, Finding structure in time, 1990; dropout: Gal, Ghahramani, arXiv 1512.05287.

    >>> import jax.numpy as jnp
    >>> SimpleRNN(4)(jnp.ones((2, 7, 3))).shape
    (2, 4)
    """

    _recurrence = _RECURRENCE

    def __init__(
        self,
        units: int,
        activation: activations.ActivationLike = "tanh",
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        recurrent_initializer: initializers.InitializerLike = "orthogonal",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Unpack[RecurrentOptions],
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
