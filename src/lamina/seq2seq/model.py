"""A model that reads one sequence of ids and writes another."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lamina.core.scope import SCOPE
from lamina.layers.checks import check_count, check_within
from lamina.models import Model
from lamina.seq2seq.beam import Beams, beam_search, repeated
from lamina.seq2seq.decoder import AttentionDecoder, AttentionKind, CellKind, State
from lamina.seq2seq.encoder import Encoder
from lamina.seq2seq.loss import smoothed_cross_entropy
from lamina.seq2seq.search import Decoded, Step, greedy, likeliest, sample

__all__ = ["Seq2Seq"]


class Seq2Seq(Model):
    """An encoder, and a decoder with attention to it.

    Trained on rows ``(source, target)``, both padded at the right, the target from its start mark
    to its end mark, by the mean over the target's ids of the cross-entropy ``-log p(y_t | y_<t,
    source)``; padding does not count.

    Shapes: source ``[batch, source]`` and target ``[batch, target]``, whole numbers -> logits
    ``[batch, target, vocabulary]`` of the id after each of the target's.

    Args:
        source_vocabulary: how many ids the source has.
        target_vocabulary: how many ids the target has.
        embedding: the size of an id's vector.
        units: the size of the states.
        attention_units: the size of the attention's hidden layer; ``units`` if None.
        bidirectional: whether the encoder reads backwards as well.
        num_layers: how many layers the encoder has.
        attention: ``"additive"`` or ``"dot"``.
        cell: of both, ``"gru"`` or ``"lstm"``.
        dropout: of encoder and decoder.
        deep_output: whether the output sees state, context and embedding.
        tied: whether the output's kernel is that of the decoder's embedding.
        label_smoothing: the share of each label that training spreads over all ids.
        scheduled_sampling: the share of ids that training replaces by the model's own last guess;
            above 0 it goes step by step, which takes much longer.
        pad: the id that fills rows up.
        start: the id that begins a target.
        end: the id that ends a target.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: an option is out of range.

    Source: Bahdanau, Cho, Bengio, arXiv 1409.0473; scheduled sampling: Bengio et al., arXiv
    1506.03099.

    >>> model = Seq2Seq(10, 13, embedding=4, units=8)
    >>> source, target = jnp.array([[3, 1, 4, 0]]), jnp.array([[1, 5, 9]])
    >>> model(source, target).shape
    (1, 3, 13)
    >>> import lamina
    >>> lamina.jit(model, method="generate")(source, 6, beam=3).tokens.shape
    (1, 6)
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        *,
        embedding: int = 64,
        units: int = 128,
        attention_units: int | None = None,
        bidirectional: bool = True,
        num_layers: int = 1,
        attention: AttentionKind = "additive",
        cell: CellKind = "gru",
        dropout: float = 0.0,
        deep_output: bool = False,
        tied: bool = False,
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
        self.encoder = Encoder(
            source_vocabulary,
            embedding,
            units,
            bidirectional=bidirectional,
            num_layers=num_layers,
            cell=cell,
            dropout=dropout,
        )
        self.decoder = AttentionDecoder(
            target_vocabulary,
            embedding,
            units,
            attention_units,
            attention=attention,
            cell=cell,
            dropout=dropout,
            deep_output=deep_output,
            tied=tied,
        )
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
        scope = SCOPE.get()
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
        step, state, _ = self._stepping(source)
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
        step, state, mask = self._stepping(source, check_count(self, "beam", beam))
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
        step, state, _ = self._stepping(source)
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

    def _read(self, source: jax.Array) -> tuple[jax.Array, State, jax.Array]:
        mask = source != self.pad
        values, state = self.encoder(source, mask)
        return values, state, mask

    def _stepping(self, source: jax.Array, beam: int = 1) -> tuple[Step, State, jax.Array]:
        """A step of inference for rows of the source, each repeated; their state, and the mask."""
        values, state, mask = self._read(source)
        keys = self.decoder.attention.keys(values)
        every = repeated((values, mask, keys), beam)

        def step(token: jax.Array, state: State) -> tuple[jax.Array, State, jax.Array]:
            values, mask, keys = every
            logits, state, weights = self.decoder(
                token[:, None], values, state, mask, keys, return_attention=True
            )
            return logits[:, 0], state, weights[:, 0]

        return step, state, mask

    def _guessing(self, source: jax.Array, target: jax.Array) -> jax.Array:
        """The logits where some ids of the target are replaced by the guess before them."""
        values, state, mask = self._read(source)
        keys = self.decoder.attention.keys(values)
        rates, key = jax.random.split(self.rng())
        is_own = jax.random.bernoulli(rates, self.scheduled_sampling, target.shape)

        def step(carry: Any, at: Any) -> Any:
            state, guess = carry
            token, is_own, key = at
            token = jnp.where(is_own, guess, token)
            logits, state = self.decoder(token[:, None], values, state, mask, keys, rng=key)
            logits = logits[:, 0]
            return (state, likeliest(logits).astype(token.dtype)), logits

        by_time = target.T, is_own.T.at[0].set(False), jax.random.split(key, target.shape[1])
        _, logits = lax.scan(step, (state, target[:, 0]), by_time)
        return jnp.moveaxis(logits, 0, 1)
