"""The bases of recurrent units: their weights and options, and the call of a cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from lamina import activations, constraints, initializers, regularizers
from lamina.constraints import ConstraintLike
from lamina.core.running.precision import compute_dtype
from lamina.core.specs.signature import either_mode
from lamina.core.tree.variable import Variable
from lamina.layer import Layer
from lamina.layers.bases.checks import check_count, check_rank, check_within
from lamina.layers.recurrent.dropout import DropoutFactors, draw_factors
from lamina.layers.recurrent.state_checks import check_states
from lamina.ops.arrays import cast, float_dtype
from lamina.ops.dropout import scaled
from lamina.ops.recurrence import State
from lamina.regularizers import RegularizerLike

__all__ = ["Recurrence", "RecurrentCell", "RecurrentUnits", "one_bias"]

Bias = tuple[tuple[int, ...], Any]
"""The shape of a bias and its initializer."""


def one_bias(layer: Any, size: int) -> Bias:
    """One row of biases, drawn by the layer's initializer."""
    return (size,), layer.bias_initializer


@dataclass(frozen=True)
class Recurrence:
    """The arithmetic of a recurrent unit. It holds no weights: its functions read the layer's.

    Args:
        gates: the number of kernels, side by side in ``kernel`` and ``recurrent_kernel``.
        states: the number of arrays in the state.
        step: one step: of the layer, inputs ``[batch, features]``, the state and the factors of
            the recurrent dropout, the next state.
        run: all steps: of the layer, sequences ``[batch, time, features]``, the initial state or
            None, the mask or None and the options of the operation, the outputs and the final
            state.
        bias: of the layer and the number of gates times units, the shape and initializer of
            ``bias``.
    """

    gates: int
    states: int
    step: Callable[[Any, jax.Array, State, jax.Array | None], State]
    run: Callable[..., tuple[jax.Array, State]]
    bias: Callable[[Any, int], Bias] = one_bias


class RecurrentUnits(Layer):
    """The base of GRU, LSTM, SimpleRNN and their cells: options, weights, dropout.

    A subclass gives its arithmetic as `_recurrence`.

    Args:
        units: size of the state, a positive integer.
        activation: activation of the candidate state.
        use_bias: add a bias.
        kernel_initializer: initializer of ``kernel``.
        recurrent_initializer: initializer of ``recurrent_kernel``.
        bias_initializer: initializer of ``bias``.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints on the weights.
        dropout: dropout rate of the inputs, in [0, 1].
        recurrent_dropout: dropout rate of the state, in [0, 1].
        seed: integer folded into the random key of the dropout.
        implementation: has no effect; Keras has it.
        **options: those of the next base.
    """

    _recurrence: ClassVar[Recurrence]

    def __init__(
        self,
        units: int,
        activation: activations.ActivationLike = "tanh",
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        recurrent_initializer: initializers.InitializerLike = "orthogonal",
        bias_initializer: initializers.InitializerLike = "zeros",
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
        implementation: int = 2,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = check_count(self, "units", units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
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
    def state_size(self) -> int | list[int]:
        """The size of the state; for a state of several arrays, a list of their sizes."""
        states = self._recurrence.states
        return self.units if states == 1 else [self.units] * states

    @property
    def output_size(self) -> int:
        """The size of the output's last axis, which is ``units``."""
        return self.units

    def get_initial_state(self, batch_size: int) -> list[jax.Array]:
        """Returns the initial state, zeros ``[batch_size, units]``, as a list of arrays."""
        return [jnp.zeros(spec.shape, spec.dtype) for spec in self._state_specs((batch_size,))]

    @property
    def _state_count(self) -> int:
        return self._recurrence.states

    def _add_weights(self, input_shape: Any) -> None:
        columns = self._recurrence.gates * self.units
        self.kernel = self.add_weight(
            (input_shape[-1], columns),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            (self.units, columns),
            self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias: Variable | None = None
        if self.use_bias:
            self.bias = self.add_weight(
                *self._recurrence.bias(self, columns),
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _state_specs(self, input_shape: Any) -> list[Any]:
        shape = (input_shape[0], self.units)
        return [jax.ShapeDtypeStruct(shape, compute_dtype(self))] * self._recurrence.states

    def _dropout_factors(self, inputs: jax.Array, training: bool) -> DropoutFactors:
        batch, features = inputs.shape[0], inputs.shape[-1]
        return draw_factors(self, (batch, features), (batch, self.units), training)

    def _scan(
        self,
        sequences: jax.Array,
        initial_state: Any,
        mask: jax.Array | None,
        training: bool,
        *,
        go_backwards: bool = False,
        unroll: bool = False,
    ) -> tuple[jax.Array, Any]:
        return self._recurrence.run(
            self,
            sequences,
            None if initial_state is None else tuple(initial_state),
            mask,
            **self._dropout_factors(sequences, training),
            go_backwards=go_backwards,
            unroll=unroll,
        )


class RecurrentCell(RecurrentUnits):
    """The base of cells: one step, or all steps at once when :class:`RNN` asks for them."""

    def build(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "batch, features")
        self._add_weights(input_shape)

    @either_mode
    def call(
        self,
        inputs: jax.Array,
        states: Any,
        training: bool = False,
        over_time: bool = False,
        mask: jax.Array | None = None,
        unroll: bool = False,
    ) -> tuple[jax.Array, Any]:
        axes = "batch, time, features" if over_time else "batch, features"
        check_rank(self, inputs.shape, axes, exactly=True)
        before = check_states(self, states, self._state_specs(inputs.shape), "batch, units")
        if over_time:
            output, after = self._scan(inputs, before, mask, training, unroll=unroll)
        else:
            after = self._step(inputs, before, training)
            output = after[0]
        return output, list(after) if isinstance(states, list | tuple) else after[0]

    def _step(self, inputs: jax.Array, states: Any, training: bool) -> State:
        factors = self._dropout_factors(inputs, training)
        dtype, dropout = float_dtype(inputs, self.kernel, *states), factors["dropout"]
        x = inputs if dropout is None else scaled(inputs, dropout)
        before = tuple(cast(state, dtype) for state in states)
        return self._recurrence.step(self, x, before, factors["recurrent_dropout"])
