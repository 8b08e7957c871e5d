"""What every translator shares: its loss, and the searches for an answer."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lamina.core.running.scope import current
from lamina.layer import Layer
from lamina.layers.bases.checks import check_count, check_within
from lamina.models import Model
from lamina.seq2seq.beam import Beams, beam_search, repeated
from lamina.seq2seq.loss import smoothed_cross_entropy
from lamina.seq2seq.search import Decoded, Step, greedy, likeliest, sample

__all__ = ["Translating"]


class Translating(Model):
    """An encoder, and a decoder that looks at what it read: the face of all such models.

    A subclass makes, in its ``__init__``:

    - ``encoder``: ``(tokens, mask) -> values, state``;
    - ``decoder``: ``(tokens, values, state, mask, memory, return_attention) -> logits, state[,
      attention]``, with ``remember(values)``, the memory that steps of inference share, and
      ``begin(state, values, length)``, the state before the first of so many steps: arrays
      ``[batch, ...]``.

    Args:
        label_smoothing: the share of each label that training spreads over all ids.
        scheduled_sampling: the share of ids that training replaces by the model's own last guess;
            above 0 it goes step by step, which takes much longer.
        pad: the id that fills rows up.
        start: the id that begins a target.
        end: the id that ends a target.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: a share is not between 0 and 1.

    Source: scheduled sampling: Bengio et al., arXiv 1506.03099.
    """

    encoder: Layer
    decoder: Any

    def __init__(
        self,
        *,
        label_smoothing: float = 0.0,
        scheduled_sampling: float = 0.0,
        pad: int = 0,
        start: int = 1,
        end: int = 2,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.label_smoothing = check_within(self, "label_smoothing", label_smoothing)
        self.scheduled_sampling = check_within(self, "scheduled_sampling", scheduled_sampling)
        self.pad, self.start, self.end = pad, start, end

    def call(self, source: jax.Array, target: jax.Array) -> jax.Array:
        values, state, mask = self._read(source)
        return self.decoder(target, values, state, mask)[0]

    def train_loss(
        self, batch: tuple[jax.Array, jax.Array]
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """The loss of a batch, and the share of rows with every id right, each id given those
        before it. Outside of training no label is smoothed and no id replaced."""
        source, target = batch
        scope = current()
        training = scope is not None and scope.training
        labels = target[:, 1:]
        guessing = training and self.scheduled_sampling > 0
        logits = (self._guessing if guessing else self)(source, target[:, :-1])
        kept = labels != self.pad
        smoothing = self.label_smoothing if training else 0.0
        losses, likeliest = smoothed_cross_entropy(labels, logits, smoothing)
        right = jnp.all(likeliest | ~kept, -1)
        total = jnp.where(kept, losses, 0).sum()
        return total / jnp.maximum(kept.sum(), 1), {"rows_right": right.mean()}

    def score(self, source: jax.Array, target: jax.Array) -> jax.Array:
        """The logarithm of the probability of each target, ``[batch]``, given its source.

        Args:
            source: ``[batch, source]``.
            target: ``[batch, target]``, from the start mark on; padding does not count.
        """
        labels = target[:, 1:]
        losses, _ = smoothed_cross_entropy(labels, self(source, target[:, :-1]))
        return -jnp.where(labels != self.pad, losses, 0).sum(-1)

    def generate(
        self,
        source: jax.Array,
        length: int,
        beam: int = 1,
        length_penalty: float = 0.0,
        coverage_penalty: float = 0.0,
    ) -> Decoded:
        """Write the best text that a search finds for each row of the source.

        Args:
            source: ``[batch, source]``.
            length: the most ids to write, the end mark included.
            beam: 1 takes the likeliest id at each step; more follows so many texts at once.
            length_penalty: of the beam search, as :func:`lamina.seq2seq.beam_search` tells.
            coverage_penalty: of the beam search.

        Raises:
            InputError: the beam is not a whole number above 0.
        """
        if check_count(self, "beam", beam) > 1:
            found = self.search(source, length, beam, length_penalty, coverage_penalty)
            return Decoded(found.tokens[:, 0], found.log_probability[:, 0], found.attention[:, 0])
        step, state, _ = self._stepping(source, length)
        return greedy(
            step, state, source.shape[1], length, start=self.start, end=self.end, pad=self.pad
        )

    def search(
        self,
        source: jax.Array,
        length: int,
        beam: int = 5,
        length_penalty: float = 0.0,
        coverage_penalty: float = 0.0,
    ) -> Beams:
        """The ``beam`` best texts that a beam search finds for each row, with their scores."""
        step, state, mask = self._stepping(source, length, check_count(self, "beam", beam))
        return beam_search(
            step,
            state,
            source.shape[1],
            length,
            beam=beam,
            start=self.start,
            end=self.end,
            pad=self.pad,
            length_penalty=length_penalty,
            coverage_penalty=coverage_penalty,
            mask=mask,
        )

    def sample(
        self,
        source: jax.Array,
        length: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> Decoded:
        """Draw a text for each row; the call takes ``rng=``, and :func:`lamina.seq2seq.sample`
        tells of the options."""
        step, state, _ = self._stepping(source, length)
        return sample(
            step,
            state,
            source.shape[1],
            length,
            self.rng(),
            start=self.start,
            end=self.end,
            pad=self.pad,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
        )

    def _read(self, source: jax.Array) -> tuple[jax.Array, Any, jax.Array]:
        mask = source != self.pad
        values, state = self.encoder(source, mask)
        return values, state, mask

    def _stepping(
        self, source: jax.Array, length: int, beam: int = 1
    ) -> tuple[Step, Any, jax.Array]:
        """A step of inference for rows of the source, each repeated; their state, and the mask."""
        values, state, mask = self._read(source)
        every = repeated((values, mask, self.decoder.remember(values)), beam)

        def step(token: jax.Array, state: Any) -> tuple[jax.Array, Any, jax.Array]:
            values, mask, memory = every
            logits, state, weights = self.decoder(
                token[:, None], values, state, mask, memory, return_attention=True
            )
            return logits[:, 0], state, weights[:, 0]

        return step, self.decoder.begin(state, values, length), mask

    def _guessing(self, source: jax.Array, target: jax.Array) -> jax.Array:
        """The logits where some ids of the target are replaced by the guess before them."""
        values, state, mask = self._read(source)
        memory = self.decoder.remember(values)
        state = self.decoder.begin(state, values, target.shape[1])
        rates, key = jax.random.split(self.rng())
        is_own = jax.random.bernoulli(rates, self.scheduled_sampling, target.shape)

        def step(carry: Any, at: Any) -> Any:
            state, guess = carry
            token, is_own, key = at
            token = jnp.where(is_own, guess, token)
            logits, state = self.decoder(token[:, None], values, state, mask, memory, rng=key)
            logits = logits[:, 0]
            return (state, likeliest(logits).astype(token.dtype)), logits

        by_time = target.T, is_own.T.at[0].set(False), jax.random.split(key, target.shape[1])
        _, logits = lax.scan(step, (state, target[:, 0]), by_time)
        return jnp.moveaxis(logits, 0, 1)
