"""The logits of the next token: by incremental calls of a model, or by calls on the whole sequence.

Both have a state, arrays ``[rows, ...]`` with one row for each sequence. `begin` takes the prompts
without their last token, and `step` the next token of each row.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import lax

from lamina.core.base.jax_internals import in_fresh_context
from lamina.core.running.computing_calls import GivenCall
from lamina.core.running.decoding import Decoding
from lamina.core.running.layer_call import run_layer
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.seq2seq.beam import repeated

__all__ = ["Incremental", "Recomputing", "Stepper", "beam_rows", "logits_of"]


class Stepper(Protocol):
    """Computes the logits of the next tokens."""

    def begin(self, tokens: jax.Array, padding: jax.Array, total: int) -> Any:
        """Returns the state after a part of each sequence.

        Args:
            tokens: ``[rows, width]``, padded on the left.
            padding: the number of tokens of padding of each row.
            total: the largest number of tokens of a sequence, with padding.
        """
        ...

    def step(self, state: Any, token: jax.Array, width: Any, index: Any) -> tuple[jax.Array, Any]:
        """Returns the logits ``[rows, vocabulary]`` after one more token, and the state.

        Args:
            state: the state.
            token: the token of each row.
            width: the width of the tokens at the beginning.
            index: the number of steps before.
        """
        ...

    def reordered(self, state: Any, parents: jax.Array, index: Any) -> Any:
        """Returns the state with the beam that each beam continues, ``[batch, beams]``."""
        ...


def logits_of(
    model: Tracked, values: dict[int, Any], tokens: jax.Array, decoding: Decoding | None = None
) -> jax.Array:
    """Returns the logits of a call of the model, ``[batch, time, vocabulary]``.

    Args:
        model: the model.
        values: the values of its variables, by identity.
        tokens: ``[batch, time]``.
        decoding: the state of an incremental call; None (default) for a call on all tokens.

    Raises:
        InputError: the model does not return logits, or assigns state.
    """
    call = GivenCall(model, values)
    call.decoding = decoding
    outputs = in_fresh_context(lambda: run_layer(call, model, "call", (tokens,), {}, False, None))
    found = getattr(outputs, "shape", None)
    if found is None or len(found) != 3 or found[:2] != tokens.shape or call.written:
        raise InputError(
            explain(
                f"{type(model).__name__} is not a model of token ids that generates tokens.",
                where=f"made at {model._lamina.made_at}",
                expected="one output, logits [batch, time, vocabulary], and no assigned state",
                received="assigned state"
                if call.written
                else f"a {type(outputs).__name__}"
                if found is None
                else f"an output of shape {list(found)} for tokens of shape {list(tokens.shape)}",
                remedy="Return the logits of all positions from call.",
            )
        )
    return outputs


class IncrementalState(NamedTuple):
    """The caches of all attention layers, in the order of their calls, and what they hold.

    The slots of a cache are the positions of the prompt, which all beams share, and after them
    those of each step, one for each beam.

    Attributes:
        caches: ``key`` and ``value``, ``[batch, heads, slots, size]``, and ``mask [batch, slots]``
            where attention has a mask.
        padding: ``[batch]``.
        ancestors: the beam that computed the position of each step, ``[batch, beams, steps]``.
    """

    caches: list[dict[str, jax.Array]]
    padding: jax.Array
    ancestors: jax.Array


class Incremental:
    """Calls a model on the new tokens, with caches of keys and values of the earlier ones.

    The model is called once for each prompt under `jax.vmap`: what is mapped depends on the tokens,
    and what is not, such as the positions that it looks up, is the same for all. The beams of a
    prompt are alternatives on the axis of time, so that their caches are never copied.

    Args:
        model: the model.
        values: the values of its variables, by identity.
        beams: number of beams.
    """

    def __init__(self, model: Tracked, values: dict[int, Any], beams: int = 1) -> None:
        self._model = model
        self._values = values
        self._beams = beams

    def begin(self, tokens: jax.Array, padding: jax.Array, total: int) -> IncrementalState:
        batch, width = tokens.shape
        steps = total - width

        def row(tokens: jax.Array, padding: jax.Array) -> Any:
            places = jnp.arange(width)
            new = (places <= places[:, None]) & (places >= padding)
            decoding = Decoding(tokens[None], places - padding, new)
            logits_of(self._model, self._values, tokens[None], decoding)
            return decoding.recorded

        def with_room(new: jax.Array) -> jax.Array:
            axis, room = _slot_axis(new), steps * self._beams
            return jnp.pad(new, [(0, room if i == axis else 0) for i in range(new.ndim)])

        caches = jax.tree.map(with_room, _without_batch(jax.vmap(row)(tokens, padding)))
        # The size does not depend on the width, so that widths share the program of the steps.
        ancestors = jnp.zeros((batch, self._beams, total), jnp.int32)
        return IncrementalState(caches, padding, ancestors)

    def step(
        self, state: IncrementalState, token: jax.Array, width: Any, index: Any
    ) -> tuple[jax.Array, IncrementalState]:
        beams, steps = self._beams, state.ancestors.shape[2]
        filled = width + index * beams
        own = jnp.eye(beams, dtype=bool)

        def with_batch(array: jax.Array) -> jax.Array:
            return array[None]

        def row(tokens: jax.Array, padding: jax.Array, ancestors: jax.Array, caches: Any) -> Any:
            slots = jnp.arange(_slot_count(caches))
            step, beam = jnp.divmod(slots - width, beams)
            later = step >= 0
            writer = jnp.take(ancestors, jnp.clip(step, 0, steps - 1), axis=1)
            cached = jnp.where(later, (step < index) & (writer == beam), slots >= padding)
            distances = width + index - jnp.where(later, width + step, slots)
            positions = jnp.full((beams,), width + index - padding)
            decoding = Decoding(
                tokens[None], positions, own, jax.tree.map(with_batch, caches), cached,
                jnp.broadcast_to(distances, cached.shape), filled, alternatives=True,
            )  # fmt: skip
            logits = logits_of(self._model, self._values, tokens[None], decoding)
            return logits[0], decoding.recorded

        def written(cache: jax.Array, new: jax.Array) -> jax.Array:
            new = new.astype(cache.dtype)
            return lax.dynamic_update_slice_in_dim(cache, new, filled, _slot_axis(new))

        rows = token.reshape(-1, beams), state.padding, state.ancestors, state.caches
        logits, new = jax.vmap(row)(*rows)
        caches = jax.tree.map(written, state.caches, _without_batch(new))
        return logits.reshape(token.size, -1), state._replace(caches=caches)

    def reordered(
        self, state: IncrementalState, parents: jax.Array, index: Any
    ) -> IncrementalState:
        own = jnp.broadcast_to(jnp.arange(self._beams)[:, None], (*parents.shape, 1))
        ancestors = lax.dynamic_update_slice_in_dim(state.ancestors, own, index, 2)
        return state._replace(ancestors=jnp.take_along_axis(ancestors, parents[..., None], 1))


def _without_batch(recorded: Any) -> Any:
    def first(array: jax.Array) -> jax.Array:
        return array[:, 0]  # the batch of each row's call

    return jax.tree.map(first, recorded)


def _slot_axis(array: jax.Array) -> int:
    return 1 if array.ndim == 2 else 2  # a mask [rows, slots], or [rows, heads, slots, size]


def _slot_count(caches: list[dict[str, jax.Array]]) -> int:
    return caches[0]["key"].shape[1] if caches else 0


class WholeState(NamedTuple):
    """The sequences: tokens ``[rows, total]``, padded on the right, and their lengths."""

    tokens: jax.Array
    length: jax.Array


class Recomputing:
    """Calls a model on the whole sequences at each step, padded on the right.

    Args:
        model: the model.
        values: the values of its variables, by identity.
        pad: the token id of padding.
        beams: number of beams.
    """

    def __init__(self, model: Tracked, values: dict[int, Any], pad: int, beams: int = 1) -> None:
        self._model = model
        self._values = values
        self._pad = pad
        self._beams = beams

    def begin(self, tokens: jax.Array, padding: jax.Array, total: int) -> WholeState:
        width = tokens.shape[1]
        places = jnp.arange(total) + padding[:, None]
        tokens = jnp.take_along_axis(tokens, jnp.minimum(places, width - 1), 1)
        state = WholeState(jnp.where(places < width, tokens, self._pad), width - padding)
        return repeated(state, self._beams)

    def step(
        self, state: WholeState, token: jax.Array, width: Any, index: Any
    ) -> tuple[jax.Array, WholeState]:
        rows = jnp.arange(token.shape[0])
        tokens = state.tokens.at[rows, state.length].set(token)
        logits = logits_of(self._model, self._values, tokens)[rows, state.length]
        return logits, WholeState(tokens, state.length + 1)

    def reordered(self, state: WholeState, parents: jax.Array, index: Any) -> WholeState:
        rows = beam_rows(parents)
        return WholeState(state.tokens[rows], state.length[rows])


def beam_rows(parents: jax.Array) -> jax.Array:
    """Returns the rows of beams ``[batch, beams]`` among all, ``[batch beams]``.

    >>> beam_rows(jnp.array([[1, 0], [0, 0]])).tolist()
    [1, 0, 2, 2]
    """
    batch, beams = parents.shape
    return (jnp.arange(batch, dtype=jnp.int32)[:, None] * beams + parents).reshape(-1)
