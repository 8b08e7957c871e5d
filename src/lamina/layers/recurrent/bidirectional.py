"""A recurrent layer in both directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

import jax
import jax.numpy as jnp
from jax import lax

from lamina.core.specs.signature import method_of
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.layers.bases.checks import check_choice
from lamina.layers.bases.inner_layers import check_layer
from lamina.layers.recurrent.cells import as_list
from lamina.lazy import lazily
from lamina.options import LayerOptions

if TYPE_CHECKING:
    from lamina import saving
else:
    saving = lazily("lamina.saving")

__all__ = ["Bidirectional"]

_SHARED = ("return_sequences", "return_state", "stateful")
_OPTIONS = (*_SHARED, "go_backwards", "unroll", "zero_output_for_mask")
_MERGE: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
    "concat": lambda a, b: jnp.concatenate([a, b], -1),
}


class Bidirectional(Layer):
    """Process a sequence forwards and backwards with separate weights, and merge the outputs.

    ``y_t = merge(forward(x)_t, backward(x)_t)``

    Shapes: those of the wrapped layer; with ``merge_mode="concat"`` the last axis of the output is
    twice as large. Outputs of all steps are in the order of the sequence.

    Args:
        layer: a recurrent layer that goes forwards, such as `LSTM`. Each direction gets a new
            layer with its options; the weights of a built layer are not copied.
        merge_mode: ``"concat"`` (default), ``"sum"``, ``"mul"``, ``"ave"``, or None to return both
            outputs.
        weights: not supported; None (default) holds its position among Keras's arguments.
        backward_layer: a recurrent layer for the backward direction, with ``go_backwards=True``
            and otherwise the same options; by default one like ``layer``.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        sequences: ``[batch, time, features]``.
        initial_state: a list of states, the first half for the forward layer; zeros by default.
        mask: bool ``[batch, time]``, False at padding, where the outputs of all steps are zeros;
            None by default.

    Returns:
        The merged output, or both outputs if ``merge_mode`` is None. If the layer has
        ``return_state``, its states follow, those of the forward layer first.

    Raises:
        InputError: a layer is not recurrent, both go in the same direction, their options differ,
            or the merge mode is unknown.

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
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.merge_mode = check_choice(self, "merge_mode", merge_mode, (*_MERGE, None))
        check_choice(self, "weights", weights, (None,))
        self.forward_layer: Any = self._direction(layer)
        self.backward_layer: Any = check_layer(
            self, "backward_layer", backward_layer or self._direction(layer, go_backwards=True)
        )
        self._check_pair()
        self.return_sequences = self.forward_layer.return_sequences
        self.return_state = self.forward_layer.return_state
        self.stateful = self.forward_layer.stateful
        for direction in (self.forward_layer, self.backward_layer):
            if hasattr(direction, "zero_output_for_mask"):
                direction.zero_output_for_mask = direction.return_sequences

    def call(
        self, sequences: jax.Array, initial_state: Any = None, mask: jax.Array | None = None
    ) -> Any:
        forward_state, backward_state = self._split_states(initial_state)
        forwards, *states = self._run(self.forward_layer, sequences, forward_state, mask)
        backwards, *others = self._run(self.backward_layer, sequences, backward_state, mask)
        if self.return_sequences:
            backwards = lax.rev(backwards, (1,))
        outputs: tuple[Any, ...] = (forwards, backwards)
        if self.merge_mode is not None:
            outputs = (_MERGE[self.merge_mode](forwards, backwards),)
        return _unpacked((*outputs, *states, *others))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        forwards, *states = as_list(self.forward_layer.compute_mask(inputs, mask))
        backwards, *others = as_list(self.backward_layer.compute_mask(inputs, mask))
        outputs = (forwards, backwards) if self.merge_mode is None else (forwards,)
        return _unpacked((*outputs, *states, *others))

    @property
    def states(self) -> list[Any] | None:
        """The state variables of stateful layers, those of the forward layer first; else None."""
        if getattr(self.forward_layer, "states", None) is None:
            return None
        return [*self.forward_layer.states, *self.backward_layer.states]

    def reset_state(self) -> None:
        """Sets the states of stateful layers to zeros."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    def _direction(self, layer: Any, **changed: Any) -> Any:
        """Returns a new layer with the options of this one, except those changed."""
        twin: Any = saving.recreated(check_layer(self, "layer", layer))
        for name in _OPTIONS:
            if hasattr(layer, name):
                setattr(twin, name, changed.get(name, getattr(layer, name)))
        return twin

    def _check_pair(self) -> None:
        """Refuses layers whose outputs differ or that go in the same direction."""
        pair = (self.forward_layer, self.backward_layer)
        forwards, backwards = (
            {name: getattr(direction, name, "missing") for name in (*_SHARED, "go_backwards")}
            for direction in pair
        )
        expected = forwards | {"go_backwards": forwards["go_backwards"] is False}
        if backwards == expected and "missing" not in forwards.values():
            return
        raise InputError(
            explain(
                "Bidirectional got a backward layer that does not match the forward layer.",
                where=f"made at {self._lamina.made_at}",
                expected=f"a backward layer with {_text(expected)}",
                received=_text(backwards),
                remedy="Wrap a recurrent layer, such as layers.LSTM(8); create backward_layer with "
                "the same options and go_backwards=True.",
            )
        )

    def _run(self, layer: Layer, sequences: jax.Array, start: Any, mask: Any) -> list[Any]:
        """Returns a list of the output of one direction and, with `return_state`, its states."""
        options = {"initial_state": start, "mask": mask}
        parameters = method_of(type(layer), "call").signature.parameters
        accepted = {
            name: value
            for name, value in options.items()
            if value is not None and (name in parameters or name != "mask")
        }
        return as_list(layer(sequences, **accepted))

    def _split_states(self, initial_state: Any) -> tuple[Any, Any]:
        """Returns the initial states of the forward and of the backward layer."""
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
                expected="a list of an even number of arrays, the first half for the forward layer",
                received=f"{len(states)} state{'' if len(states) == 1 else 's'}",
                remedy="Pass initial_state=[*forwards, *backwards].",
            )
        )


def _unpacked(items: tuple[Any, ...]) -> Any:
    """Returns a tuple of one as its item, and any other as it is."""
    first, *others = items
    return items if others else first


def _text(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items())
