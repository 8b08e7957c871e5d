"""The base of layers over sequences: initial and final states, masks, outputs."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax

from lamina.core.base.pytrees import flatten, leaves_of, map_tree
from lamina.core.running.precision import cast_floating, compute_dtype
from lamina.core.specs.signature import either_mode
from lamina.core.tree.variable import Variable
from lamina.errors import BuildError, InputError, explain
from lamina.layer import Layer
from lamina.layers.bases.checks import check_rank, check_shape
from lamina.layers.recurrent.state_checks import check_states

__all__ = ["RecurrentLayer"]


class RecurrentLayer(Layer):
    """The base of layers over ``[batch, time, ...]`` that carry a state from step to step.

    A subclass defines `_add_weights`, `_state_specs`, `_state_count` and `_scan`.

    Args:
        return_sequences: return the outputs of all steps instead of the last one; False by
            default.
        return_state: return the final state as well, as ``(output, *states)``; False by default.
        go_backwards: process the sequence from its last step, and return the outputs in that
            order; False by default.
        stateful: start each batch from the final state of the previous one, kept in the
            non-trainable variables ``states``, which are no weights; False by default.
        unroll: compile the steps one after the other instead of a loop; False by default.
        zero_output_for_mask: output zeros at masked steps instead of the previous output; False
            by default.
        **options: those of :class:`lamina.Layer`.
    """

    states: Any = None

    def __init__(
        self,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask

    def build(self, input_shape: Any) -> None:
        self._check_input(input_shape)
        self._add_weights(input_shape)
        if self.stateful:
            self._check_sizes_known(input_shape)
            self.states = map_tree(
                lambda spec: self._state_variable(spec.shape), self._kept_specs(input_shape)
            )

    @either_mode
    def call(
        self,
        sequences: jax.Array,
        initial_state: Any = None,
        mask: jax.Array | None = None,
        training: bool = False,
    ) -> Any:
        if mask is not None:
            check_shape(self, "a mask", mask, sequences.shape[:2], "batch, time")
        if initial_state is None and self.stateful:
            initial_state = self._kept_state()
        if initial_state is not None:
            specs = self._state_specs(sequences.shape)
            initial_state = check_states(self, initial_state, specs, self._state_axes)
        outputs, states = self._scan(
            sequences,
            initial_state,
            mask,
            training,
            go_backwards=self.go_backwards,
            unroll=self.unroll,
        )
        if self.stateful:
            for variable, state in zip(self._state_variables(), leaves_of(states), strict=True):
                variable.assign(state)
        output = self._output(outputs, states, mask)
        return (output, *states) if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if isinstance(mask, list | tuple):  # one for each input; the sequence is the first
            mask = cast("list[Any]", mask)[0]
        output_mask = mask if self.return_sequences else None
        return [output_mask] + [None] * self._state_count if self.return_state else output_mask

    def _state_variable(self, shape: Any, dtype: Any = None) -> Variable:
        """Declares a variable of the state, which is no weight."""
        variable = self.add_weight(shape, "zeros", dtype=dtype, trainable=False)
        variable.is_weight = False
        return variable

    def _kept_specs(self, input_shape: Any) -> list[Any]:
        """The shape and dtype of each array of the state, without a read of a weight."""
        return self._state_specs(input_shape)

    def _kept_state(self) -> Any:
        """The state that the previous batch left, from which a stateful layer starts."""
        return cast_floating(self.states, compute_dtype(self))

    def reset_state(self) -> None:
        """Sets the state of a stateful layer to its initial state, zeros."""
        for variable in self._state_variables():
            variable.assign(jnp.zeros_like(variable.value))

    reset_states = reset_state

    def _state_variables(self) -> list[Variable]:
        """The variables of a stateful layer, in the order of the state's arrays."""
        return flatten(self.states, is_leaf=lambda leaf: isinstance(leaf, Variable))[0]

    @property
    def _state_count(self) -> int:
        """The number of states that `call` returns; a list of arrays is one."""
        raise NotImplementedError

    @property
    def _state_axes(self) -> str:
        """The names of a state's axes, for errors."""
        return "batch, units"

    def _check_input(self, input_shape: Any) -> None:
        check_rank(self, input_shape, "batch, time, features", exactly=True)

    def _add_weights(self, input_shape: Any) -> None:
        """Declares the weights, apart from the state of a stateful layer."""

    def _state_specs(self, input_shape: Any) -> list[Any]:
        """The shape and dtype of each array of the state, as a tree."""
        raise NotImplementedError

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
        """Returns the outputs in the order of processing and the final state.

        Without an initial state the subclass starts from its own, usually zeros.
        """
        raise NotImplementedError

    def _last_output(self, outputs: jax.Array, states: Any) -> jax.Array:
        """The last output; for most layers it is the first array of the state."""
        return states[0]

    def _last_step(self, outputs: jax.Array) -> jax.Array:
        if outputs.shape[1] > 0:
            return outputs[:, -1]
        raise InputError(
            explain(
                f"{type(self).__name__} got a sequence of length 0, which has no last output.",
                where=f"made at {self._lamina.made_at}",
                expected="at least one step",
                received="0 on the time axis",
                remedy="Leave out empty sequences, or set return_sequences=True.",
            )
        )

    def _output(self, outputs: jax.Array, states: Any, mask: jax.Array | None) -> jax.Array:
        if mask is None or not self.zero_output_for_mask:
            return outputs if self.return_sequences else self._last_output(outputs, states)
        valid = jnp.asarray(mask, bool)
        if self.go_backwards:
            valid = lax.rev(valid, (1,))
        outputs = jnp.where(lax.expand_dims(valid, tuple(range(2, outputs.ndim))), outputs, 0)
        return outputs if self.return_sequences else self._last_step(outputs)

    def _check_sizes_known(self, input_shape: Any) -> None:
        """Refuses shapes that leave the size of the state open; time may be unknown."""
        if all(size is not None for axis, size in enumerate(input_shape) if axis != 1):
            return
        raise BuildError(
            explain(
                f"{type(self).__name__} is stateful, and the size of its state is unknown.",
                where=f"made at {self._lamina.made_at}",
                expected="a known size on every axis except time",
                received=f"shape {input_shape}",
                remedy="Build the layer with a fixed batch size, or set stateful=False.",
            )
        )
