"""The loop of greedy decoding and sampling."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import lax

from lamina.generation.options import Numbers, Options
from lamina.generation.sampling import choose, penalized
from lamina.generation.stepping import Stepper

__all__ = ["Progress", "advance", "begin", "seen_tokens"]


class Progress(NamedTuple):
    """The carry of the loop.

    Attributes:
        step: number of steps done.
        token: the last token of each row, ``[batch]``.
        state: the state of the stepper.
        tokens: the new tokens, ``[batch, room]``, with padding after the end.
        ended: bool ``[batch]``.
        broken: bool ``[batch]``, whether a logit was NaN.
        seen: bool ``[batch, vocabulary]``, tokens that occurred; None without a penalty.
    """

    step: jax.Array
    token: jax.Array
    state: Any
    tokens: jax.Array
    ended: jax.Array
    broken: jax.Array
    seen: jax.Array | None


def begin(
    stepper: Stepper,
    tokens: jax.Array,
    padding: jax.Array,
    room: int,
    total: int,
    vocabulary: int,
    options: Options,
) -> Progress:
    """Returns the carry before the first new token.

    Args:
        stepper: computes the logits.
        tokens: the prompts, ``[batch, width + 1]``, padded on the left.
        padding: the number of tokens of padding of each row.
        room: the largest number of new tokens.
        total: the largest number of tokens of prompt and new ones.
        vocabulary: the number of logits.
        options: the options that select the program.
    """
    batch = tokens.shape[0]
    none = jnp.zeros((batch,), bool)
    return Progress(
        jnp.zeros((), jnp.int32),
        tokens[:, -1],
        stepper.begin(tokens[:, :-1], padding, total),
        jnp.full((batch, room), options.pad, jnp.int32),
        none,
        none,
        seen_tokens(tokens, padding, vocabulary) if options.penalizes else None,
    )


def advance(
    stepper: Stepper,
    progress: Progress,
    width: int,
    until: jax.Array,
    key: jax.Array,
    options: Options,
    numbers: Numbers,
) -> Progress:
    """Returns the carry after more steps, until all rows have ended.

    Args:
        stepper: computes the logits.
        progress: the carry.
        width: the width of the prompts without their last token.
        until: the number of steps after which the loop ends.
        key: the key of the sampling.
        options: the options that select the program.
        numbers: the options that are arguments of the program.
    """

    def step(at: Progress) -> Progress:
        logits, state = stepper.step(at.state, at.token, width, at.step)
        logits = logits.astype(jnp.float32)
        broken = at.broken | (jnp.isnan(logits.max(-1)) & ~at.ended)
        if at.seen is not None:
            logits = penalized(logits, at.seen, numbers.repetition_penalty)
        token = choose(logits, jax.random.fold_in(key, at.step), options, numbers)
        token = jnp.where(at.ended, options.pad, token)
        seen = at.seen
        if seen is not None:
            seen = seen.at[jnp.arange(token.shape[0]), token].set(True)
        tokens = cast(Any, lax).dynamic_update_index_in_dim(at.tokens, token, at.step, 1)
        ended = at.ended | jnp.isin(token, numbers.stop)
        return Progress(at.step + 1, token, state, tokens, ended, broken, seen)

    def unfinished(at: Progress) -> jax.Array:
        return (at.step < until) & ~at.ended.all() & ~at.broken.any()

    return lax.while_loop(unfinished, step, progress)


def seen_tokens(tokens: jax.Array, padding: jax.Array, vocabulary: int) -> jax.Array:
    """Returns which tokens occur in each row, bool ``[batch, vocabulary]``.

    >>> seen_tokens(jnp.array([[0, 2, 1]]), jnp.array([1]), 4).tolist()
    [[False, True, True, False]]
    """
    rows, width = tokens.shape
    places = jnp.where(jnp.arange(width) < padding[:, None], vocabulary, tokens)  # out of range
    seen = jnp.zeros((rows, vocabulary), bool)
    return seen.at[jnp.arange(rows)[:, None], places].set(True, mode="drop")
