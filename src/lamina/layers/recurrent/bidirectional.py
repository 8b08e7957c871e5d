"""A recurrence in both directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lamina.core.specs.signature import method_of
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.bases.checks import check_choice
from lamina.layers.bases.inner_layers import check_layer, made_anew
from lamina.layers.recurrent.cells import as_list

__all__ = ["Bidirectional"]

_SHARED = ("return_sequences", "return_state", "stateful")
_OPTIONS = (*_SHARED, "go_backwards", "unroll", "zero_output_for_mask")
_MERGED: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
    "concat": lambda a, b: jnp.concatenate([a, b], -1),
}


class Bidirectional(Layer):
    """Read a sequence forwards and backwards, each with weights of its own, and merge the outputs.

    Shapes: those of the layer that is wrapped; with ``merge_mode="concat"`` its outputs are twice
    as wide, with None there are two of them: ``(forwards, backwards)``. Outputs of all steps stand
    in the order of the sequence, and are zeros where a mask is False.

    Args:
        layer: a recurrence, such as `LSTM`, that goes forwards. It is made anew for each
            direction: weights that it may have are not taken over.
        merge_mode: ``"sum"``, ``"mul"``, ``"ave"``, ``"concat"`` or None, for both outputs.
        weights: not taken; the place in the order of Keras's arguments.
        backward_layer: another recurrence for the way back, which gives the same outputs and
            goes backwards.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``mask``, bool, ``[batch, time]``, and ``initial_state``, a list of which the first
    half is for the way forwards. With ``return_state`` of the layer it gives its output, then the
    states of the way forwards and those of the way back.

    Raises:
        InputError: what is wrapped is not a recurrence, both go the same way, they give different
            outputs, or the merge mode is not one.

    Source: Schuster, Paliwal, Bidirectional recurrent neural networks, 1997.

    >>> import jax.numpy as jnp
    >>> from lamina.layers import LSTM
    >>> layer = Bidirectional(LSTM(4, return_sequences=True))
    >>> layer(jnp.ones((2, 7, 3))).shape
    (2, 7, 8)
    """

    def __init__(
        self,
        layer: Layer,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Layer | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.merge_mode = check_choice(self, "merge_mode", merge_mode, (*_MERGED, None))
        check_choice(self, "weights", weights, (None,))
        self.forward_layer: Any = self._direction(layer)
        self.backward_layer: Any = check_layer(
            self, "backward_layer", backward_layer or self._direction(layer, go_backwards=True)
        )
        self._check_pair()
        self.return_sequences = self.forward_layer.return_sequences
        self.return_state = self.forward_layer.return_state
        self.stateful = self.forward_layer.stateful
        for one in (self.forward_layer, self.backward_layer):
            if hasattr(one, "zero_output_for_mask"):
                one.zero_output_for_mask = one.return_sequences

    def call(
        self, sequences: jax.Array, initial_state: Any = None, mask: jax.Array | None = None
    ) -> Any:
        ahead, back = self._halves(initial_state)
        forwards, *states = self._run(self.forward_layer, sequences, ahead, mask)
        backwards, *others = self._run(self.backward_layer, sequences, back, mask)
        if self.return_sequences:
            backwards = lax.rev(backwards, (1,))
        merged: tuple[Any, ...] = (forwards, backwards)
        if self.merge_mode is not None:
            merged = (_MERGED[self.merge_mode](forwards, backwards),)
        return _alone((*merged, *states, *others))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        forwards, *states = as_list(self.forward_layer.compute_mask(inputs, mask))
        backwards, *others = as_list(self.backward_layer.compute_mask(inputs, mask))
        merged = (forwards, backwards) if self.merge_mode is None else (forwards,)
        return _alone((*merged, *states, *others))

    @property
    def states(self) -> list[Any] | None:
        """What a stateful layer keeps: the states of the way forwards, then of the way back."""
        if getattr(self.forward_layer, "states", None) is None:
            return None
        return [*self.forward_layer.states, *self.backward_layer.states]

    def reset_state(self) -> None:
        """Let the next batch start from zeros, in both directions."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    def _direction(self, layer: Any, **changed: Any) -> Any:
        """The layer made anew, with the options that it has now, but for those changed."""
        twin: Any = made_anew(check_layer(self, "layer", layer))
        for name in _OPTIONS:
            if hasattr(layer, name):
                setattr(twin, name, changed.get(name, getattr(layer, name)))
        return twin

    def _check_pair(self) -> None:
        """Let only two layers pass that give the same outputs and go different ways."""
        pair = (self.forward_layer, self.backward_layer)
        forwards, backwards = (
            {name: getattr(one, name, "missing") for name in (*_SHARED, "go_backwards")}
            for one in pair
        )
        expected = forwards | {"go_backwards": forwards["go_backwards"] is False}
        if backwards == expected and "missing" not in forwards.values():
            return
        raise InputError(
            explain(
                "Bidirectional got two layers that do not make a pair.",
                where=f"made at {self._lamina.made_at}",
                expected=f"a backward layer with {_text(expected)}",
                received=_text(backwards),
                remedy="Wrap a recurrence, such as layers.LSTM(8); make a backward_layer with the "
                "same options and go_backwards=True.",
            )
        )

    def _run(self, layer: Layer, sequences: jax.Array, start: Any, mask: Any) -> list[Any]:
        """The output of one direction, and its states, if they are asked for."""
        options = {"initial_state": start, "mask": mask}
        takes = method_of(type(layer), "call").signature.parameters
        given = {
            name: value
            for name, value in options.items()
            if value is not None and (name in takes or name != "mask")
        }
        return as_list(layer(sequences, **given))

    def _halves(self, initial_state: Any) -> tuple[Any, Any]:
        """The states before the first step of each direction."""
        if initial_state is None:
            return None, None
        states = as_list(initial_state)
        if len(states) % 2 == 0:
            half = len(states) // 2
            return states[:half], states[half:]
        raise InputError(
            explain(
                "Bidirectional has two sets of states, one for each direction.",
                where=f"made at {self._lamina.made_at}",
                expected="a list of an even number of arrays, the first half forwards",
                received=f"{len(states)} state{'' if len(states) == 1 else 's'}",
                remedy="Pass initial_state=[*forwards, *backwards].",
            )
        )


def _alone(items: tuple[Any, ...]) -> Any:
    """Several, or a single one by itself."""
    first, *others = items
    return items if others else first


def _text(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items())
