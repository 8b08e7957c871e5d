"""What a cell of units and its layer over a sequence share: options, weights, dropout."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from lamina import activations, initializers
from lamina.core.running.precision import compute_dtype
from lamina.core.specs.signature import either_mode
from lamina.layer import Layer
from lamina.layers.bases.checks import check_choice, check_count, check_rank, check_within
from lamina.layers.bases.weights import Weighted
from lamina.layers.recurrent.base import Recurrence
from lamina.layers.recurrent.states import fitting
from lamina.ops.arrays import cast, float_dtype
from lamina.ops.dropout import dropout_factors, scaled
from lamina.ops.recurrence import State

__all__ = ["Cell", "Dropping", "Kernels", "OverTime", "Units"]


class Dropping(Layer):
    """The base of recurrences with dropout, the same at every step.

    Args:
        dropout: the probability that a feature of the input is dropped while training, the same
            ones at every step.
        recurrent_dropout: the same for the state on its way into the gates.
        seed: mixed into the call's key, to tell two layers apart that share one key.
        **options: of the classes after this one.

    Raises:
        InputError: a rate is not a number from 0 to 1.
        LaminaError: dropout is asked for and no random key is in reach while training.

    Source: Gal, Ghahramani, arXiv 1512.05287, with one draw for all gates.
    """

    def __init__(
        self,
        *,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.dropout = check_within(self, "dropout", dropout)
        self.recurrent_dropout = check_within(self, "recurrent_dropout", recurrent_dropout)
        self.seed = seed

    def _factors(
        self, inputs: tuple[int, ...], state: tuple[int, ...], training: bool
    ) -> dict[str, jax.Array | None]:
        """The factors of dropout, of these shapes, by the names the operations have for them."""
        return {
            "dropout": self._drawn(self.dropout, inputs, training),
            "recurrent_dropout": self._drawn(self.recurrent_dropout, state, training),
        }

    def _drawn(self, rate: float, shape: tuple[int, ...], training: bool) -> jax.Array | None:
        if not training or rate == 0:
            return None
        key = self.rng() if self.seed is None else jax.random.fold_in(self.rng(), self.seed)
        return dropout_factors(key, rate, shape)


class Units(Weighted, Dropping):
    """The base of recurrences of units: three weights, which one step and a whole run share.

    A subclass says how many kernels a unit has (`_gates`) and how many arrays its state
    (`_arrays`); it advances by one step (`_step`) and over all of them (`_over`). One with gates
    takes ``recurrent_activation`` after ``activation``, as Keras has it.
    """

    _weights = ("kernel", "recurrent", "bias")
    _gates: ClassVar[int] = 1
    _arrays: ClassVar[int] = 1

    def __init__(
        self,
        units: int,
        activation: activations.ActivationLike = "tanh",
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        recurrent_initializer: initializers.InitializerLike = "orthogonal",
        bias_initializer: initializers.InitializerLike = "zeros",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = check_count(self, "units", units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    @property
    def state_size(self) -> int | list[int]:
        """The units, once for each array of the state."""
        return self.units if self._arrays == 1 else [self.units] * self._arrays

    @property
    def output_size(self) -> int:
        """The units."""
        return self.units

    def get_initial_state(self, batch_size: int) -> list[jax.Array]:
        """Zeros, for a batch of that size."""
        return [jnp.zeros(spec.shape, spec.dtype) for spec in self._state_specs((batch_size,))]

    def _add_weights(self, input_shape: Any) -> None:
        gates = self._gates * self.units
        self.kernel = self._weight("kernel", (input_shape[-1], gates))
        self.recurrent_kernel = self._weight("recurrent", (self.units, gates))
        self.bias = self._add_bias(gates) if self.use_bias else None

    def _add_bias(self, gates: int) -> Any:
        return self._weight("bias", (gates,))

    def _state_specs(self, input_shape: Any) -> list[Any]:
        shape = (input_shape[0], self.units)
        return [jax.ShapeDtypeStruct(shape, compute_dtype(self))] * self._arrays

    def _drops(self, inputs: jax.Array, training: bool) -> dict[str, jax.Array | None]:
        batch, features = inputs.shape[0], inputs.shape[-1]
        return self._factors((batch, features), (batch, self.units), training)

    def _step(self, inputs: jax.Array, states: State, recurrent_dropout: Any) -> State:
        """The state after one step."""
        raise NotImplementedError

    def _over(
        self, sequences: jax.Array, start: Any, mask: jax.Array | None, **how: Any
    ) -> tuple[jax.Array, State]:
        """All outputs and the last state; `how` are options of the operation."""
        raise NotImplementedError


class OverTime(Units, Recurrence):
    """The base of layers of units over a sequence."""

    @property
    def _state_count(self) -> int:
        return self._arrays

    def _run(
        self, sequences: jax.Array, start: Any, mask: jax.Array | None, training: bool
    ) -> tuple[jax.Array, Any]:
        drops = self._drops(sequences, training)
        how = {"go_backwards": self.go_backwards, "unroll": self.unroll}
        return self._over(sequences, start, mask, **drops, **how)


class Kernels(Recurrence):
    """Keras's option for code that has it: the kernels are XLA's either way."""

    def __init__(self, *, use_cudnn: bool | str = "auto", **options: Any) -> None:
        super().__init__(**options)
        check_choice(self, "use_cudnn", use_cudnn, ("auto", False))


class Cell(Units):
    """The base of cells of units: one step, or for :class:`RNN` all of them at once.

    Call takes inputs ``[batch, features]`` and states, ``[batch, units]`` each, in a list or,
    where there is only one, bare; it gives ``(output, states)``. With ``over_time`` inputs and
    outputs are ``[batch, time, ...]``, and ``mask`` and ``unroll`` are what :class:`RNN` has.
    """

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
        before = fitting(self, states, self._state_specs(inputs.shape), "batch, units")
        drops = self._drops(inputs, training)
        if over_time:
            output, after = self._over(inputs, tuple(before), mask, **drops, unroll=unroll)
        else:
            dtype, dropout = float_dtype(inputs, self.kernel, *before), drops["dropout"]
            x = inputs if dropout is None else scaled(inputs, dropout)
            started = tuple(cast(state, dtype) for state in before)
            after = self._step(x, started, drops["recurrent_dropout"])
            output = after[0]
        return output, list(after) if isinstance(states, list | tuple) else after[0]
