"""The recurrent encoder: an output for each token, and a state for the decoder."""

from __future__ import annotations

from typing import Unpack

import jax
import jax.numpy as jnp

from lamina.layer import Layer
from lamina.layers import GRU, LSTM, Dense, Dropout, Embedding
from lamina.layers.bases.checks import check_choice, check_count
from lamina.options import LayerOptions
from lamina.seq2seq.decoder import CellKind, State

__all__ = ["Encoder"]

_CELLS: dict[str, type[GRU] | type[LSTM]] = {"gru": GRU, "lstm": LSTM}


class _UpperLayer(Layer):
    """A recurrent layer of the encoder above the first one, in one or both directions."""

    def __init__(self, cell: str, units: int, bidirectional: bool) -> None:
        super().__init__()
        self.forwards, self.backwards = _directions(cell, units, bidirectional)

    def call(self, values: jax.Array, mask: jax.Array | None) -> tuple[jax.Array, list[jax.Array]]:
        return _encode(self.forwards, self.backwards, values, mask)


class Encoder(Layer):
    """Embed tokens and process them with recurrent layers in both directions.

    Shapes: tokens ``[batch, source]`` -> values ``[batch, source, 2 units]`` (``units`` if not
    bidirectional), the outputs of the last layer, and state ``[batch, units]``,
    ``tanh(Dense([last forward state, last backward state]))``. An LSTM has two states, (h, c), each
    with its own dense layer.

    Args:
        vocabulary: number of token ids, a positive integer.
        embedding: size of the embedding, a positive integer.
        units: size of the state in each direction, a positive integer.
        bidirectional: process the tokens backwards as well; True by default.
        num_layers: number of recurrent layers, a positive integer; 1 by default.
        cell: ``"gru"`` (default) or ``"lstm"``.
        dropout: dropout rate of the embeddings, between layers, and of the values, a number in
            [0, 1]; 0 by default.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        tokens: integers ``[batch, source]``.
        mask: bool ``[batch, source]``, False at padding; None by default.

    Returns:
        ``(values, state)``.

    Raises:
        InputError: an option is out of range.

    Source: Bahdanau, Cho, Bengio, arXiv 1409.0473, section 3.2; Schuster, Paliwal, Bidirectional
    recurrent neural networks, 1997.

    >>> values, state = Encoder(10, 4, 8)(jnp.array([[3, 1, 4, 1, 5]]))
    >>> values.shape, state.shape
    ((1, 5, 16), (1, 8))
    """

    def __init__(
        self,
        vocabulary: int,
        embedding: int,
        units: int,
        *,
        bidirectional: bool = True,
        num_layers: int = 1,
        cell: CellKind = "gru",
        dropout: float = 0.0,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        count = check_count(self, "num_layers", num_layers)
        self.embed = Embedding(vocabulary, embedding)
        options_of_layer = check_choice(self, "cell", cell, tuple(_CELLS)), units, bidirectional
        self.forwards, self.backwards = _directions(*options_of_layer)
        self.above = [_UpperLayer(*options_of_layer) for _ in range(count - 1)]
        self.dropout = Dropout(dropout)
        self.bridge = Dense(units, activation="tanh")
        self.bridge_c = Dense(units) if cell == "lstm" else None

    def call(self, tokens: jax.Array, mask: jax.Array | None = None) -> tuple[jax.Array, State]:
        embedded = self.dropout(self.embed(tokens))
        values, states = _encode(self.forwards, self.backwards, embedded, mask)
        for layer in self.above:
            values, states = layer(self.dropout(values), mask)
        state = self.bridge(states[0])
        return self.dropout(values), (
            state if self.bridge_c is None else (state, self.bridge_c(states[1]))
        )


def _directions(cell: str, units: int, bidirectional: bool) -> tuple[Layer, Layer | None]:
    recurrent = _CELLS[cell]
    forwards = recurrent(units, return_sequences=True, return_state=True)
    if not bidirectional:
        return forwards, None
    return forwards, recurrent(units, return_sequences=True, return_state=True, go_backwards=True)


def _encode(
    forwards: Layer, backwards: Layer | None, inputs: jax.Array, mask: jax.Array | None
) -> tuple[jax.Array, list[jax.Array]]:
    """Returns the outputs ``[batch, source, channels]`` and final states ``[batch, channels]``."""
    values, *states = forwards(inputs, mask=mask)
    if backwards is None:
        return values, states
    reverse, *others = backwards(inputs, mask=mask)
    both = jnp.concatenate([values, reverse[:, ::-1]], axis=-1)
    pairs = zip(states, others, strict=True)
    return both, [jnp.concatenate(pair, axis=-1) for pair in pairs]
