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

__all__ = ["Incremental", "Recomputing", "Stepper", "logits_of"]


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

    def reordered(self, state: Any, rows: jax.Array, width: int) -> Any:
        """Returns the state with other rows, which are equal at the beginning."""
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
    """The caches of all attention layers, in the order of their calls, and the padding.

    Attributes:
        caches: ``key`` and ``value``, ``[rows, heads, slots, size]``, and ``mask [rows, slots]``
            where attention has a mask.
        padding: ``[rows]``.
    """

    caches: list[dict[str, jax.Array]]
    padding: jax.Array


class Incremental:
    """Calls a model on the new tokens, with caches of keys and values of the earlier ones.

    The model is called once for each row under `jax.vmap`: what is mapped depends on the tokens,
    and what is not, such as the positions that it looks up, is the same for all rows.

    Args:
        model: the model.
        values: the values of its variables, by identity.
    """

    def __init__(self, model: Tracked, values: dict[int, Any]) -> None:
        self._model = model
        self._values = values

    def begin(self, tokens: jax.Array, padding: jax.Array, total: int) -> IncrementalState:
        def row(tokens: jax.Array, padding: jax.Array) -> Any:
            valid = jnp.arange(tokens.shape[0]) >= padding
            decoding = Decoding(tokens[None], -padding, None, 0, None, valid)
            logits_of(self._model, self._values, tokens[None], decoding)
            return decoding.recorded

        width = tokens.shape[1]

        def with_room(new: jax.Array) -> jax.Array:
            axis = _time_axis(new)
            widths = [(0, total - width if i == axis else 0) for i in range(new.ndim)]
            return jnp.pad(new, widths)

        new = _without_batch(jax.vmap(row)(tokens, padding))
        return IncrementalState(jax.tree.map(with_room, new), padding)

    def step(
        self, state: IncrementalState, token: jax.Array, width: Any, index: Any
    ) -> tuple[jax.Array, IncrementalState]:
        filled = width + index

        def with_batch(array: jax.Array) -> jax.Array:
            return array[None]

        def row(token: jax.Array, padding: jax.Array, caches: Any) -> Any:
            slots = jnp.arange(_slots(caches))
            cached = (slots >= padding) & (slots < filled)
            tokens, valid = token[None, None], jnp.ones((1,), bool)
            caches = jax.tree.map(with_batch, caches)
            decoding = Decoding(tokens, filled - padding, caches, filled, cached, valid)
            logits = logits_of(self._model, self._values, tokens, decoding)
            return logits[0, 0], decoding.recorded

        def written(cache: jax.Array, new: jax.Array) -> jax.Array:
            return lax.dynamic_update_slice_in_dim(
                cache, new.astype(cache.dtype), filled, _time_axis(new)
            )

        logits, new = jax.vmap(row)(token, state.padding, state.caches)
        caches = jax.tree.map(written, state.caches, _without_batch(new))
        return logits, state._replace(caches=caches)

    def reordered(self, state: IncrementalState, rows: jax.Array, width: int) -> IncrementalState:
        def moved(cache: jax.Array) -> jax.Array:
            axis = 1 if cache.ndim == 2 else 2
            later = lax.slice_in_dim(cache, width, None, axis=axis)
            return lax.dynamic_update_slice_in_dim(cache, later[rows], width, axis)

        return state._replace(caches=jax.tree.map(moved, state.caches))


def _without_batch(recorded: Any) -> Any:
    def first(array: jax.Array) -> jax.Array:
        return array[:, 0]  # the batch of each row's call

    return jax.tree.map(first, recorded)


def _time_axis(array: jax.Array) -> int:
    return 1 if array.ndim == 2 else 2  # a mask [rows, slots], or [rows, heads, slots, size]


def _slots(caches: list[dict[str, jax.Array]]) -> int:
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
    """

    def __init__(self, model: Tracked, values: dict[int, Any], pad: int) -> None:
        self._model = model
        self._values = values
        self._pad = pad

    def begin(self, tokens: jax.Array, padding: jax.Array, total: int) -> WholeState:
        width = tokens.shape[1]
        places = jnp.arange(total) + padding[:, None]
        tokens = jnp.take_along_axis(tokens, jnp.minimum(places, width - 1), 1)
        return WholeState(jnp.where(places < width, tokens, self._pad), width - padding)

    def step(
        self, state: WholeState, token: jax.Array, width: Any, index: Any
    ) -> tuple[jax.Array, WholeState]:
        rows = jnp.arange(token.shape[0])
        tokens = state.tokens.at[rows, state.length].set(token)
        logits = logits_of(self._model, self._values, tokens)[rows, state.length]
        return logits, WholeState(tokens, state.length + 1)

    def reordered(self, state: WholeState, rows: jax.Array, width: int) -> WholeState:
        return WholeState(state.tokens[rows], state.length[rows])
