"""A model that reads one sequence of ids and writes another."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lamina.models import Model
from lamina.ops.cross_entropy import sparse_cross_entropy
from lamina.seq2seq.decoder import AttentionDecoder
from lamina.seq2seq.encoder import Encoder
from lamina.seq2seq.search import Decoded, greedy

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
        pad: the id that fills rows up.
        start: the id that begins a target.
        end: the id that ends a target.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Raises:
        InputError: a size is not a whole number above 0.

    Source: Bahdanau, Cho, Bengio, arXiv 1409.0473.

    >>> model = Seq2Seq(10, 13, embedding=4, units=8)
    >>> source, target = jnp.array([[3, 1, 4, 0]]), jnp.array([[1, 5, 9]])
    >>> model(source, target).shape
    (1, 3, 13)
    >>> import lamina
    >>> lamina.jit(model, method="generate")(source, 6).tokens.shape
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
        pad: int = 0,
        start: int = 1,
        end: int = 2,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.encoder = Encoder(source_vocabulary, embedding, units, bidirectional=bidirectional)
        self.decoder = AttentionDecoder(target_vocabulary, embedding, units, attention_units)
        self.pad, self.start, self.end = pad, start, end

    def call(self, source: jax.Array, target: jax.Array) -> jax.Array:
        mask = source != self.pad
        values, state = self.encoder(source, mask)
        return self.decoder(target, values, state, mask)[0]

    def train_loss(
        self, batch: tuple[jax.Array, jax.Array]
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """The loss of a batch, and the share of rows with every id right, each id given those
        before it."""
        source, target = batch
        labels = target[:, 1:]
        logits = self(source, target[:, :-1])
        kept = labels != self.pad
        losses = jnp.where(kept, sparse_cross_entropy(labels, logits), 0)
        right = jnp.all((jnp.argmax(logits, -1) == labels) | ~kept, -1)
        return losses.sum() / jnp.maximum(kept.sum(), 1), {"rows_right": right.mean()}

    def generate(self, source: jax.Array, length: int) -> Decoded:
        """Write for each row of the source, at each step what is likeliest.

        Args:
            source: ``[batch, source]``.
            length: the most ids to write, the end mark included.
        """
        mask = source != self.pad
        values, state = self.encoder(source, mask)
        keys = self.decoder.attention.keys(values)

        def step(token: jax.Array, state: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
            logits, state, weights = self.decoder(
                token[:, None], values, state, mask, keys, return_attention=True
            )
            return logits[:, 0], state, weights[:, 0]

        return greedy(
            step, state, source.shape[1], length, start=self.start, end=self.end, pad=self.pad
        )
