"""The recurrent sequence-to-sequence model."""

from __future__ import annotations

from typing import Unpack

from lamina.seq2seq.base import Translating
from lamina.seq2seq.decoder import AttentionDecoder, AttentionKind, CellKind
from lamina.seq2seq.encoder import Encoder
from lamina.seq2seq.options import TranslatingOptions

__all__ = ["Seq2Seq"]


class Seq2Seq(Translating):
    """Sequence-to-sequence model: a recurrent encoder, and a recurrent decoder with attention.

    Training uses batches ``(source, target)``, padded on the right, the target from its start
    token to its end token. The loss is the mean of ``-log p(y_t | y_<t, source)`` over the
    target's tokens, without padding.

    Shapes: source ``[batch, source]`` and target ``[batch, target]``, integers -> logits
    ``[batch, target, vocabulary]``. Weights: those of ``encoder`` and ``decoder``.

    Args:
        source_vocabulary: number of source token ids, a positive integer.
        target_vocabulary: number of target token ids, a positive integer.
        embedding: size of the embeddings, a positive integer; 64 by default.
        units: size of the states, a positive integer; 128 by default.
        attention_units: size of the attention's hidden layer, a positive integer; ``units`` if
            None (default).
        bidirectional: let the encoder process the source backwards as well; True by default.
        num_layers: number of the encoder's layers, a positive integer; 1 by default.
        attention: ``"additive"`` (default) or ``"dot"``.
        cell: of encoder and decoder, ``"gru"`` (default) or ``"lstm"``.
        dropout: dropout rate of encoder and decoder, a number in [0, 1]; 0 by default.
        deep_output: compute the logits from state, context and embedding; False by default.
        tied: use the decoder's embedding matrix as the output's kernel; False by default. It
            needs ``deep_output``, or ``units`` equal to ``embedding``.
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
        **options: Unpack[TranslatingOptions],
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
