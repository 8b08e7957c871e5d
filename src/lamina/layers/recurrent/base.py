"""What all layers that run over time share: where a run starts, and what is given of it."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax

from lamina.core.base.pytrees import flatten, leaves_of, map_tree
from lamina.core.running.precision import compute_dtype, lowered
from lamina.core.specs.signature import either_mode
from lamina.core.tree.variable import Variable
from lamina.errors import BuildError, InputError, explain
from lamina.layer import Layer
from lamina.layers.bases.checks import check_rank, check_shape
from lamina.layers.recurrent.states import fitting

__all__ = ["Recurrence"]


class Recurrence(Layer):
    """The base of layers over ``[batch, time, ...]`` that carry a state from step to step.

    A subclass says what its weights and its state are, and runs: `_add_weights`, `_state_specs`
    and `_run`.

    Args:
        return_sequences: whether to give the output of every step rather than of the last.
        return_state: whether to give the last state, too: ``(output, *states)``.
        go_backwards: whether to start at the last step; outputs stand in the order of processing.
        stateful: whether a batch starts from the state in which the one before it ended, kept in
            variables that do not train; the size of the batch is then part of the build.
        unroll: whether to write all steps into the program one after the other, rather than a
            loop: faster for short sequences, and slower to compile.
        zero_output_for_mask: whether outputs where the mask is False are zeros, rather than those
            of the step before.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``initial_state``, an array for each of the states, in a list where there are
    several, zeros by default; and ``mask``, bool, ``[batch, time]``: where False the state stays.

    Raises:
        InputError: an initial state or a mask does not fit, or the input has too few axes.
        BuildError: it is stateful, and the size of the batch is not known.
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
            self._check_known(input_shape)
            self.states = map_tree(
                lambda spec: self.add_weight(spec.shape, "zeros", trainable=False),
                self._state_specs(input_shape),
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
            initial_state = lowered(self.states, compute_dtype(self))
        if initial_state is not None:
            specs = self._state_specs(sequences.shape)
            initial_state = fitting(self, initial_state, specs, self._state_axes)
        outputs, states = self._run(sequences, initial_state, mask, training)
        if self.stateful:
            for variable, state in zip(self._kept(), leaves_of(states), strict=True):
                variable.assign(state)
        output = self._output(outputs, states, mask)
        return (output, *states) if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if isinstance(mask, list | tuple):  # one for each input: the sequence's is the first
            mask = cast("list[Any]", mask)[0]
        kept = mask if self.return_sequences else None
        return [kept] + [None] * self._state_count if self.return_state else kept

    def reset_state(self) -> None:
        """Let the next batch start from zeros."""
        for variable in self._kept():
            variable.assign(jnp.zeros_like(variable.value))

    reset_states = reset_state

    def _kept(self) -> list[Variable]:
        """The variables that keep the state between batches, in the order of its arrays."""
        return flatten(self.states, is_leaf=lambda leaf: isinstance(leaf, Variable))[0]

    @property
    def _state_count(self) -> int:
        """How many states there are, a list of several being one."""
        raise NotImplementedError

    @property
    def _state_axes(self) -> str:
        """The names of a state's axes."""
        return "batch, units"

    def _check_input(self, input_shape: Any) -> None:
        """Let only shapes pass that have the axes of a sequence."""
        check_rank(self, input_shape, "batch, time, features", exactly=True)

    def _add_weights(self, input_shape: Any) -> None:
        """Declare the weights but the state; none here."""

    def _state_specs(self, input_shape: Any) -> list[Any]:
        """The shapes and dtypes of the state, as a tree, for sequences of this shape."""
        raise NotImplementedError

    def _run(
        self, sequences: jax.Array, start: Any, mask: jax.Array | None, training: bool
    ) -> tuple[jax.Array, Any]:
        """All outputs in the order of processing, and the last state; `start` None is zeros."""
        raise NotImplementedError

    def _last(self, outputs: jax.Array, states: Any) -> jax.Array:
        """The last output: of most recurrences the state's first array."""
        return states[0]

    def _at_end(self, outputs: jax.Array) -> jax.Array:
        """The output of the last step, of which there has to be one."""
        if outputs.shape[1] > 0:
            return outputs[:, -1]
        raise InputError(
            explain(
                f"{type(self).__name__} got a sequence of no steps, which has no last output.",
                where=f"made at {self._lamina.made_at}",
                expected="one step or more",
                received="0 on the axis of time",
                remedy="Leave empty sequences out, or ask for return_sequences=True.",
            )
        )

    def _output(self, outputs: jax.Array, states: Any, mask: jax.Array | None) -> jax.Array:
        if mask is None or not self.zero_output_for_mask:
            return outputs if self.return_sequences else self._last(outputs, states)
        alive = jnp.asarray(mask, bool)
        if self.go_backwards:
            alive = lax.rev(alive, (1,))
        outputs = jnp.where(lax.expand_dims(alive, tuple(range(2, outputs.ndim))), outputs, 0)
        return outputs if self.return_sequences else self._at_end(outputs)

    def _check_known(self, input_shape: Any) -> None:
        """Let only shapes pass from which the state's size follows; time may be unknown."""
        if all(size is not None for axis, size in enumerate(input_shape) if axis != 1):
            return
        raise BuildError(
            explain(
                f"{type(self).__name__} is stateful, and the size of its state is not known.",
                where=f"made at {self._lamina.made_at}",
                expected="a size on every axis but that of time",
                received=f"shape {input_shape}",
                remedy="Build it with the size of the batch, and feed batches of that size; or "
                "leave stateful=False.",
            )
        )
