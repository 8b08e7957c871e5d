"""The encoder: a text as a value for each of its places, and a state that sums it up."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lamina.layer import Layer
from lamina.layers import GRU, LSTM, Dense, Dropout, Embedding
from lamina.layers.bases.checks import check_choice, check_count
from lamina.seq2seq.decoder import CellKind, State

__all__ = ["Encoder"]

_CELLS: dict[str, type[GRU] | type[LSTM]] = {"gru": GRU, "lstm": LSTM}


class _Reading(Layer):
    """One layer of an encoder above the first."""

    def __init__(self, cell: str, units: int, bidirectional: bool) -> None:
        super().__init__()
        self.forwards, self.backwards = _directions(cell, units, bidirectional)

    def call(self, values: jax.Array, mask: jax.Array | None) -> tuple[jax.Array, list[jax.Array]]:
        return _read(self.forwards, self.backwards, values, mask)


class Encoder(Layer):
    """Embed ids and read them with recurrences, forwards and backwards.

    Shapes: tokens ``[batch, source]`` -> values ``[batch, source, 2 units]`` (``units`` if it reads
    forwards only) and state ``[batch, units]``, ``tanh(Dense([last forward, last backward]))`` of
    the topmost layer. An LSTM has two states, (h, c), each through a layer of its own.

    Args:
        vocabulary: how many ids there are.
        embedding: the size of an id's vector.
        units: the size of the state, in each direction.
        bidirectional: whether it reads backwards as well.
        num_layers: how many there are, each reading what the one below it found.
        cell: ``"gru"`` or ``"lstm"``.
        dropout: the share of embeddings, of what goes from layer to layer, and of the values
            dropped while training.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``mask``, bool, ``[batch, source]``, False where a text has ended.

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
        **options: Any,
    ) -> None:
        super().__init__(**options)
        above = range(1, check_count(self, "num_layers", num_layers))
        self.embed = Embedding(vocabulary, embedding)
        kind = check_choice(self, "cell", cell, tuple(_CELLS)), units, bidirectional
        self.forwards, self.backwards = _directions(*kind)
        self.above = [_Reading(*kind) for _ in above]
        self.dropout = Dropout(dropout)
        self.bridge = Dense(units, activation="tanh")
        self.bridge_c = Dense(units) if cell == "lstm" else None

    def call(self, tokens: jax.Array, mask: jax.Array | None = None) -> tuple[jax.Array, State]:
        embedded = self.dropout(self.embed(tokens))
        values, states = _read(self.forwards, self.backwards, embedded, mask)
        for reading in self.above:
            values, states = reading(self.dropout(values), mask)
        state = self.bridge(states[0])
        return self.dropout(values), (
            state if self.bridge_c is None else (state, self.bridge_c(states[1]))
        )


def _directions(cell: str, units: int, bidirectional: bool) -> tuple[Layer, Layer | None]:
    kind = _CELLS[cell]
    forwards = kind(units, return_sequences=True, return_state=True)
    if not bidirectional:
        return forwards, None
    return forwards, kind(units, return_sequences=True, return_state=True, go_backwards=True)


def _read(
    forwards: Layer, backwards: Layer | None, inputs: jax.Array, mask: jax.Array | None
) -> tuple[jax.Array, list[jax.Array]]:
    """Values ``[batch, source, channels]``, and the last states ``[batch, channels]``."""
    values, *states = forwards(inputs, mask=mask)
    if backwards is None:
        return values, states
    reverse, *last = backwards(inputs, mask=mask)
    both = jnp.concatenate([values, reverse[:, ::-1]], axis=-1)
    pairs = zip(states, last, strict=True)
    return both, [jnp.concatenate(pair, axis=-1) for pair in pairs]
