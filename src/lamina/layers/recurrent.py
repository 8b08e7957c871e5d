"""Layers that run over time."""

from __future__ import annotations

from typing import Any, cast

import jax

from lamina import activations, initializers
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.checks import check_count, check_rank, check_shape, check_within
from lamina.ops.dropout import dropout_factors
from lamina.ops.recurrence import gru

__all__ = ["GRU"]


class GRU(Layer):
    """A gated recurrent unit over a sequence; :func:`lamina.ops.recurrence.gru_step` is one step.

    Shapes: ``[batch, time, features] -> [batch, units]``, or ``[batch, time, units]`` with
    ``return_sequences``; weights ``kernel [features, 3 units]``, ``recurrent_kernel [units,
    3 units]`` and ``bias [2, 3 units]`` (``[3 units]`` without ``reset_after``), gates in the
    order update, reset, candidate.

    Args:
        units: the size of the state.
        activation: of the candidate state.
        recurrent_activation: of the update and reset gates.
        use_bias: whether there is a bias.
        kernel_initializer: of ``kernel``.
        recurrent_initializer: of ``recurrent_kernel``.
        bias_initializer: of ``bias``.
        dropout: the probability that a feature of the input is dropped while training, the same
            ones at every step.
        recurrent_dropout: the same for the state on its way into the gates.
        return_sequences: whether to give the output of every step rather than of the last.
        return_state: whether to give the last state, too: ``(output, state)``.
        go_backwards: whether to start at the last step; outputs stand in the order of processing.
        reset_after: whether the reset gate acts after the product with ``recurrent_kernel``.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``initial_state``, ``[batch, units]`` or a list of one such array, zeros by default,
    and ``mask``, bool, ``[batch, time]``: where False the state stays, and the output repeats it.

    Raises:
        InputError: ``units`` or a rate is out of range, or a shape does not fit.
        LaminaError: dropout is asked for and no random key is in reach while training.
        UnknownNameError: an activation or initializer has no such name.

    Source: Cho et al., arXiv 1406.1078; dropout after Gal, Ghahramani, arXiv 1512.05287.

    >>> import jax.numpy as jnp
    >>> layer = GRU(4, return_sequences=True, return_state=True)
    >>> outputs, state = layer(jnp.ones((2, 7, 3)))
    >>> outputs.shape, state.shape
    ((2, 7, 4), (2, 4))
    """

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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        reset_after: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = check_count(self, "units", units)
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.dropout = check_within(self, "dropout", dropout)
        self.recurrent_dropout = check_within(self, "recurrent_dropout", recurrent_dropout)
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.reset_after = reset_after

    def build(self, sequence_shape: Any) -> None:
        check_rank(self, sequence_shape, "batch, time, features", exactly=True)
        gates = 3 * self.units
        self.kernel = self.add_weight((sequence_shape[-1], gates), self.kernel_initializer)
        self.recurrent_kernel = self.add_weight((self.units, gates), self.recurrent_initializer)
        bias_shape = (2, gates) if self.reset_after else (gates,)
        self.bias = self.add_weight(bias_shape, self.bias_initializer) if self.use_bias else None

    def call(
        self,
        sequence: jax.Array,
        initial_state: Any = None,
        mask: jax.Array | None = None,
        training: bool = False,
    ) -> jax.Array | tuple[jax.Array, jax.Array]:
        batch, time, features = sequence.shape
        if mask is not None:
            check_shape(self, "a mask", mask, (batch, time), "batch, time")
        outputs, state = gru(
            sequence,
            self.kernel,
            self.recurrent_kernel,
            self.bias,
            self._start(initial_state, batch),
            mask,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            reset_after=self.reset_after,
            go_backwards=self.go_backwards,
            dropout=self._factors(self.dropout, (batch, features), training),
            recurrent_dropout=self._factors(self.recurrent_dropout, (batch, self.units), training),
        )
        output = outputs if self.return_sequences else state
        return (output, state) if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        kept = mask if self.return_sequences else None
        return (kept, None) if self.return_state else kept

    def _start(self, initial_state: Any, batch: int) -> jax.Array | None:
        if isinstance(initial_state, list | tuple):
            states = cast("list[Any]", initial_state)
            if len(states) != 1:
                raise InputError(
                    explain(
                        f"{type(self).__name__} has one state.",
                        expected="an array [batch, units], or a list of one",
                        received=f"{len(states)} states",
                        remedy="Pass initial_state=state.",
                    )
                )
            initial_state = states[0]
        if initial_state is not None:
            check_shape(self, "a state", initial_state, (batch, self.units), "batch, units")
        return initial_state

    def _factors(self, rate: float, shape: tuple[int, int], training: bool) -> jax.Array | None:
        return dropout_factors(self.rng(), rate, shape) if training and rate > 0 else None
