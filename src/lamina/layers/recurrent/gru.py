"""The gated recurrent unit (GRU)."""

from __future__ import annotations

from typing import Any, Unpack

import jax

from lamina import activations, initializers
from lamina.layers.bases.checks import check_choice
from lamina.layers.recurrent.base import RecurrentLayer
from lamina.layers.recurrent.options import CellOptions, RecurrentOptions
from lamina.layers.recurrent.units import Recurrence, RecurrentCell, RecurrentUnits
from lamina.ops.recurrence import State, gru, gru_project, gru_step

__all__ = ["GRU", "GRUCell"]


def _bias(layer: Any, size: int) -> tuple[tuple[int, ...], Any]:
    return ((2, size) if layer.reset_after else (size,)), layer.bias_initializer


def _functions(layer: Any) -> dict[str, Any]:
    return {
        "activation": layer.activation,
        "recurrent_activation": layer.recurrent_activation,
        "reset_after": layer.reset_after,
    }


def _step(layer: Any, inputs: jax.Array, states: State, factors: jax.Array | None) -> State:
    projected = gru_project(inputs, layer.kernel, layer.bias, reset_after=layer.reset_after)
    weights = layer.recurrent_kernel, layer.bias
    after = gru_step(projected, states[0], *weights, recurrent_dropout=factors, **_functions(layer))
    return (after,)


def _run(
    layer: Any, sequences: jax.Array, initial_state: Any, mask: jax.Array | None, **options: Any
) -> tuple[jax.Array, State]:
    weights = layer.kernel, layer.recurrent_kernel, layer.bias
    start = None if initial_state is None else initial_state[0]
    outputs, state = gru(sequences, *weights, start, mask, **_functions(layer), **options)
    return outputs, (state,)


_RECURRENCE = Recurrence(gates=3, states=1, step=_step, run=_run, bias=_bias)


class GRUCell(RecurrentCell):
    """One step of :class:`GRU`, for :class:`RNN` or for a loop written by hand.

    Shapes: inputs ``[batch, features]`` and state ``[batch, units]`` -> output ``[batch, units]``
    and the next state. Equations and weights as for :class:`GRU`.

    Args:
        units: size of the state h, a positive integer.
        activation: activation of the candidate state, a name, a function or None; ``"tanh"`` by
            default.
        recurrent_activation: activation of the update and reset gates; ``"sigmoid"`` by default.
        use_bias: add ``bias``; True by default.
        kernel_initializer: initializer of ``kernel``; ``"glorot_uniform"`` by default.
        recurrent_initializer: initializer of ``recurrent_kernel``; ``"orthogonal"`` by default.
        bias_initializer: initializer of ``bias``; ``"zeros"`` by default.
        reset_after: apply the reset gate after the product with ``recurrent_kernel`` instead of
            before it; True by default.
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

    Source: Cho et al., arXiv 1406.1078; dropout: Gal, Ghahramani, arXiv 1512.05287.

    >>> import jax.numpy as jnp
    >>> output, state = GRUCell(4)(jnp.ones((2, 3)), jnp.zeros((2, 4)))
    >>> output.shape, bool((output == state).all())
    ((2, 4), True)
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
        *,
        reset_after: bool = True,
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
        self.reset_after = reset_after


class GRU(RecurrentUnits, RecurrentLayer):
    """Gated recurrent unit over a sequence.

    With U the ``recurrent_kernel``, b and b' the two rows of ``bias``, and ``sigma`` the
    ``recurrent_activation``::

        z_t = sigma(x_t kernel_z + b_z + h_{t-1} U_z + b'_z)                   update gate
        r_t = sigma(x_t kernel_r + b_r + h_{t-1} U_r + b'_r)                   reset gate
        n_t = activation(x_t kernel_n + b_n + r_t (h_{t-1} U_n + b'_n))        candidate
        h_t = z_t h_{t-1} + (1 - z_t) n_t

    Without ``reset_after`` the candidate is ``activation(x_t kernel_n + (r_t h_{t-1}) U_n + b_n)``.

    Shapes: ``[batch, time, features] -> [batch, units]``, or ``[batch, time, units]`` with
    ``return_sequences``. Weights: ``kernel [features, 3 units]``, ``recurrent_kernel [units,
    3 units]`` and ``bias [2, 3 units]`` (``[3 units]`` without ``reset_after``), with the gates in
    the order update, reset, candidate.

    Args:
        units: size of the state h, a positive integer.
        activation: activation of the candidate state, a name, a function or None; ``"tanh"`` by
            default.
        recurrent_activation: activation of the update and reset gates; ``"sigmoid"`` by default.
        use_bias: add ``bias``; True by default.
        kernel_initializer: initializer of ``kernel``; ``"glorot_uniform"`` by default.
        recurrent_initializer: initializer of ``recurrent_kernel``; ``"orthogonal"`` by default.
        bias_initializer: initializer of ``bias``; ``"zeros"`` by default.
        reset_after: apply the reset gate after the product with ``recurrent_kernel`` instead of
            before it; True by default.
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
            output repeats h. None by default.
        training: apply dropout; False by default.

    Returns:
        The output, or ``(output, state)`` with ``return_state``.

    Raises:
        InputError: ``units`` or a rate is out of range, or a shape does not fit.
        BuildError: the layer is stateful, and the size of the batch is unknown.
        LaminaError: dropout needs a random key, and the call has none.
        UnknownNameError: an activation, initializer, regularizer or constraint is unknown.

    Source: Cho et al., arXiv 1406.1078; dropout: Gal, Ghahramani, arXiv 1512.05287.

    >>> import jax.numpy as jnp
    >>> layer = GRU(4, return_sequences=True, return_state=True)
    >>> outputs, state = layer(jnp.ones((2, 7, 3)))
    >>> outputs.shape, state.shape
    ((2, 7, 4), (2, 4))
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
        *,
        reset_after: bool = True,
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
        self.reset_after = reset_after
        check_choice(self, "use_cudnn", use_cudnn, ("auto", False))
