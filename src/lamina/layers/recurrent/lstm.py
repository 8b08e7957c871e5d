"""The long short-term memory (LSTM)."""

from __future__ import annotations

from typing import Any, Unpack

import jax

from lamina import activations, initializers
from lamina.layers.bases.checks import check_choice
from lamina.layers.recurrent.base import RecurrentLayer
from lamina.layers.recurrent.forget_bias import forget_ones
from lamina.layers.recurrent.options import CellOptions, RecurrentOptions
from lamina.layers.recurrent.units import Recurrence, RecurrentCell, RecurrentUnits
from lamina.ops.dense import dense
from lamina.ops.recurrence import State, lstm, lstm_step

__all__ = ["LSTM", "LSTMCell"]


def _bias(layer: Any, size: int) -> tuple[tuple[int, ...], Any]:
    initializer = layer.bias_initializer
    return (size,), forget_ones(initializer, layer.units) if layer.unit_forget_bias else initializer


def _step(layer: Any, inputs: jax.Array, states: State, factors: jax.Array | None) -> State:
    return lstm_step(
        dense(inputs, layer.kernel, layer.bias),
        states,
        layer.recurrent_kernel,
        activation=layer.activation,
        recurrent_activation=layer.recurrent_activation,
        recurrent_dropout=factors,
    )


def _run(
    layer: Any, sequences: jax.Array, initial_state: Any, mask: jax.Array | None, **options: Any
) -> tuple[jax.Array, State]:
    return lstm(
        sequences,
        layer.kernel,
        layer.recurrent_kernel,
        layer.bias,
        initial_state,
        mask,
        activation=layer.activation,
        recurrent_activation=layer.recurrent_activation,
        **options,
    )


_RECURRENCE = Recurrence(gates=4, states=2, step=_step, run=_run, bias=_bias)


class LSTMCell(RecurrentCell):
    """One step of :class:`LSTM`, for :class:`RNN` or for a loop written by hand.

    Shapes: inputs ``[batch, features]`` and states h and c, ``[batch, units]`` each -> output
    ``[batch, units]`` and the next states. Equations and weights as for :class:`LSTM`.

    Args:
        units: size of each state, h and c, a positive integer.
        activation: activation of the candidate and of c in the output, a name, a function or
            None; ``"tanh"`` by default.
        recurrent_activation: activation of the three gates; ``"sigmoid"`` by default.
        use_bias: add ``bias``; True by default.
        kernel_initializer: initializer of ``kernel``; ``"glorot_uniform"`` by default.
        recurrent_initializer: initializer of ``recurrent_kernel``; ``"orthogonal"`` by default.
        bias_initializer: initializer of ``bias``; ``"zeros"`` by default.
        unit_forget_bias: initialize the bias of the forget gate with ones, whatever
            ``bias_initializer`` is; True by default.
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
        states: a list of h and c, ``[batch, units]`` each.
        training: apply dropout; False by default.
        over_time: inputs are ``[batch, time, features]``, and all steps are computed; False by
            default.
        mask: bool ``[batch, time]``, False at padding, for ``over_time``; None by default.
        unroll: compile the steps without a loop, for ``over_time``; False by default.

    Returns:
        ``(output, [h, c])``: the output is the next h.

    Raises:
        InputError: ``units`` or a rate is out of range, or a shape does not fit.
        LaminaError: dropout needs a random key, and the call has none.
        UnknownNameError: an activation, initializer, regularizer or constraint is unknown.

    Source: Hochreiter, Schmidhuber, Long short-term memory, 1997; forget gate: Gers, Schmidhuber,
    Cummins, 2000; dropout: Gal, Ghahramani, arXiv 1512.05287.

    >>> import jax.numpy as jnp
    >>> output, (h, c) = LSTMCell(4)(jnp.ones((2, 3)), [jnp.zeros((2, 4))] * 2)
    >>> output.shape, bool((output == h).all()), c.shape
    ((2, 4), True, (2, 4))
    """

    _recurrence = _RECURRENCE

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
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias


class LSTM(RecurrentUnits, RecurrentLayer):
    """Long short-term memory over a sequence.

    With U the ``recurrent_kernel``, b the ``bias`` and ``sigma`` the ``recurrent_activation``::

        i_t = sigma(x_t kernel_i + h_{t-1} U_i + b_i)                input gate
        f_t = sigma(x_t kernel_f + h_{t-1} U_f + b_f)                forget gate
        n_t = activation(x_t kernel_n + h_{t-1} U_n + b_n)           candidate
        o_t = sigma(x_t kernel_o + h_{t-1} U_o + b_o)                output gate
        c_t = f_t c_{t-1} + i_t n_t
        h_t = o_t activation(c_t)

    Shapes: ``[batch, time, features] -> [batch, units]``, or ``[batch, time, units]`` with
    ``return_sequences``. Weights: ``kernel [features, 4 units]``, ``recurrent_kernel [units,
    4 units]`` and ``bias [4 units]``, with the gates in the order input, forget, candidate,
    output.

    Args:
        units: size of each state, h and c, a positive integer.
        activation: activation of the candidate and of c in the output, a name, a function or
            None; ``"tanh"`` by default.
        recurrent_activation: activation of the three gates; ``"sigmoid"`` by default.
        use_bias: add ``bias``; True by default.
        kernel_initializer: initializer of ``kernel``; ``"glorot_uniform"`` by default.
        recurrent_initializer: initializer of ``recurrent_kernel``; ``"orthogonal"`` by default.
        bias_initializer: initializer of ``bias``; ``"zeros"`` by default.
        unit_forget_bias: initialize the bias of the forget gate with ones, whatever
            ``bias_initializer`` is; True by default.
        use_cudnn: accepted for Keras's sake, ``"auto"`` (default) or False; XLA compiles the layer
            in both cases.
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
        return_state: return ``(output, h, c)``; False by default.
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
        initial_state: a list of h and c, ``[batch, units]`` each; zeros by default.
        mask: bool ``[batch, time]``, False at padding: there the state does not change, and the
            output repeats h. None by default.
        training: apply dropout; False by default.

    Returns:
        The output, or ``(output, h, c)`` with ``return_state``.

    Raises:
        InputError: ``units`` or a rate is out of range, or a shape does not fit.
        BuildError: the layer is stateful, and the size of the batch is unknown.
        LaminaError: dropout needs a random key, and the call has none.
        UnknownNameError: an activation, initializer, regularizer or constraint is unknown.

    Source: Hochreiter, Schmidhuber, Long short-term memory, 1997; forget gate: Gers, Schmidhuber,
    Cummins, 2000; dropout: Gal, Ghahramani, arXiv 1512.05287.

    >>> import jax.numpy as jnp
    >>> layer = LSTM(4, return_sequences=True, return_state=True)
    >>> outputs, h, c = layer(jnp.ones((2, 7, 3)))
    >>> outputs.shape, h.shape, c.shape
    ((2, 7, 4), (2, 4), (2, 4))
    """

    _recurrence = _RECURRENCE

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
        *,
        use_cudnn: bool | str = "auto",
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
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        check_choice(self, "use_cudnn", use_cudnn, ("auto", False))
