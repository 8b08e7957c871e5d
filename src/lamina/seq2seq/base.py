"""The base of sequence-to-sequence models: the training loss, and decoding by search."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp
from jax import lax

from lamina.core.running.scope import current
from lamina.layer import Layer
from lamina.layers.bases.checks import check_count, check_within
from lamina.models import Model
from lamina.options import LayerOptions
from lamina.seq2seq.beam import Beams, beam_search, repeated
from lamina.seq2seq.loss import smoothed_cross_entropy
from lamina.seq2seq.search import Decoded, Step, argmax, greedy, sample

__all__ = ["Translating"]


class Translating(Model):
    """The base of sequence-to-sequence models: the training loss, and decoding by search.

    A subclass sets in its ``__init__``:

    - ``encoder``: ``(tokens, mask) -> values, state``;
    - ``decoder``: ``(tokens, values, state, mask, memory, return_attention) -> logits, state[,
      attention]``, with two methods: ``remember(values)`` returns the memory that all steps of
      inference share, and ``begin(state, values, length)`` the state before the first of
      ``length`` steps, arrays ``[batch, ...]``.

    Shapes: source ``[batch, source]`` and target ``[batch, target]``, integers -> logits
    ``[batch, target, vocabulary]``.

    Args:
        label_smoothing: fraction of each label that training spreads over all tokens, a number in
            [0, 1]; 0 by default.
        scheduled_sampling: probability that training replaces a target token by the model's own
            prediction, a number in [0, 1]; 0 by default. Above 0, training decodes step by step
            and is much slower.
        pad: token id of padding; 0 by default.
        start: token id that begins a target; 1 by default.
        end: token id that ends a target; 2 by default.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        source: integers ``[batch, source]``, padded with ``pad``.
        target: integers ``[batch, target]``, from the start token on.

    Returns:
        Logits ``[batch, target, vocabulary]`` of the token that follows each token of the target.

    Raises:
        InputError: ``label_smoothing`` or ``scheduled_sampling`` is not in [0, 1].

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
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.label_smoothing = check_within(self, "label_smoothing", label_smoothing)
        self.scheduled_sampling = check_within(self, "scheduled_sampling", scheduled_sampling)
        self.pad, self.start, self.end = pad, start, end

    def call(self, source: jax.Array, target: jax.Array) -> jax.Array:
        values, state, mask = self._encode(source)
        return self.decoder(target, values, state, mask)[0]

    def train_loss(
        self, batch: tuple[jax.Array, jax.Array]
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Returns the mean cross-entropy of a batch, and the metric ``rows_right``.

        Outside of training there is no label smoothing and no scheduled sampling.

        Args:
            batch: ``(source, target)``, integers ``[batch, source]`` and ``[batch, target]``.

        Returns:
            ``(loss, {"rows_right": fraction})``: the loss in nats per token, and the fraction of
            rows in which the model predicts every token from the previous ones.
        """
        source, target = batch
        scope = current()
        training = scope is not None and scope.training
        labels = target[:, 1:]
        sampling = training and self.scheduled_sampling > 0
        logits = (self._scheduled_logits if sampling else self)(source, target[:, :-1])
        valid = labels != self.pad
        smoothing = self.label_smoothing if training else 0.0
        losses, correct = smoothed_cross_entropy(labels, logits, smoothing)
        rows_right = jnp.all(correct | ~valid, -1)
        total = jnp.where(valid, losses, 0).sum()
        return total / jnp.maximum(valid.sum(), 1), {"rows_right": rows_right.mean()}

    def score(self, source: jax.Array, target: jax.Array) -> jax.Array:
        """Returns the log-probability of each target given its source, ``[batch]``, in nats.

        Args:
            source: integers ``[batch, source]``.
            target: integers ``[batch, target]``, from the start token on; padding is ignored.
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
        """Returns the best output sequence that a search finds for each row of the source.

        Args:
            source: integers ``[batch, source]``.
            length: maximum number of tokens, including the end token.
            beam: beam size, a positive integer; 1 (default) is greedy decoding.
            length_penalty: exponent of the beam search's length normalization; 0 by default. See
                :func:`lamina.seq2seq.beam_search`.
            coverage_penalty: weight of the beam search's coverage penalty; 0 by default.

        Returns:
            Token ids, log-probabilities and attention weights, as :class:`Decoded`.

        Raises:
            InputError: the beam is not a positive integer.
        """
        if check_count(self, "beam", beam) > 1:
            beams = self.search(source, length, beam, length_penalty, coverage_penalty)
            return Decoded(beams.tokens[:, 0], beams.log_probability[:, 0], beams.attention[:, 0])
        step, state, _ = self._inference(source, length)
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
        """Returns the ``beam`` best output sequences of a beam search, with their scores.

        Args:
            source: integers ``[batch, source]``.
            length: maximum number of tokens, including the end token.
            beam: beam size, a positive integer; 5 by default.
            length_penalty: exponent of the length normalization; 0 by default.
            coverage_penalty: weight of the coverage penalty; 0 by default.

        Raises:
            InputError: the beam is not a positive integer.
        """
        step, state, mask = self._inference(source, length, check_count(self, "beam", beam))
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
        """Samples an output sequence for each row; the call needs ``rng=``.

        Args:
            source: integers ``[batch, source]``.
            length: maximum number of tokens, including the end token.
            temperature: divisor of the logits, positive; 1 by default.
            top_k: sample from the k most probable tokens; all if None (default).
            top_p: sample from the most probable tokens whose probabilities sum to at least p, in
                (0, 1]; all if None (default).

        Raises:
            InputError: an option is out of range.
        """
        step, state, _ = self._inference(source, length)
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

    def _encode(self, source: jax.Array) -> tuple[jax.Array, Any, jax.Array]:
        mask = source != self.pad
        values, state = self.encoder(source, mask)
        return values, state, mask

    def _inference(
        self, source: jax.Array, length: int, beam: int = 1
    ) -> tuple[Step, Any, jax.Array]:
        """Returns the step function for ``beam`` sequences a row, the first state and the mask."""
        values, state, mask = self._encode(source)
        repeated_source = repeated((values, mask, self.decoder.remember(values)), beam)

        def step(token: jax.Array, state: Any) -> tuple[jax.Array, Any, jax.Array]:
            values, mask, memory = repeated_source
            logits, state, weights = self.decoder(
                token[:, None], values, state, mask, memory, return_attention=True
            )
            return logits[:, 0], state, weights[:, 0]

        return step, self.decoder.begin(state, values, length), mask

    def _scheduled_logits(self, source: jax.Array, target: jax.Array) -> jax.Array:
        """Returns logits with some tokens of the target replaced by the previous prediction."""
        values, state, mask = self._encode(source)
        memory = self.decoder.remember(values)
        state = self.decoder.begin(state, values, target.shape[1])
        choice_key, key = jax.random.split(self.rng())
        replaced = jax.random.bernoulli(choice_key, self.scheduled_sampling, target.shape)

        def step(carry: Any, inputs: Any) -> Any:
            state, prediction = carry
            token, replaced, key = inputs
            token = jnp.where(replaced, prediction, token)
            logits, state = self.decoder(token[:, None], values, state, mask, memory, rng=key)
            logits = logits[:, 0]
            return (state, argmax(logits).astype(token.dtype)), logits

        keys = jax.random.split(key, target.shape[1])
        steps = target.T, replaced.T.at[0].set(False), keys
        _, logits = lax.scan(step, (state, target[:, 0]), steps)
        return jnp.moveaxis(logits, 0, 1)
