"""A model that turns one sequence of ids into another, by recurrences with attention."""

from __future__ import annotations

from typing import Any

from lamina.seq2seq.base import Translating
from lamina.seq2seq.decoder import AttentionDecoder, AttentionKind, CellKind
from lamina.seq2seq.encoder import Encoder

__all__ = ["Seq2Seq"]


class Seq2Seq(Translating):
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
        **options: those of :class:`Translating`.

    Raises:
        InputError: an option is out of range.

    Source: Bahdanau, Cho, Bengio, arXiv 1409.0473.

    >>> import jax.numpy as jnp
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
        **options: Any,
    ) -> None:
        super().__init__(**options)
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
