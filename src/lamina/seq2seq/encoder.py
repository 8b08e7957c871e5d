"""The encoder: a text as a value for each of its places, and a state that sums it up."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lamina.layer import Layer
from lamina.layers import GRU, Dense, Embedding

__all__ = ["Encoder"]


class Encoder(Layer):
    """Embed ids and read them with a GRU, forwards and backwards.

    Shapes: tokens ``[batch, source]`` -> values ``[batch, source, 2 units]`` (``units`` if it reads
    forwards only) and state ``[batch, units]``, ``tanh(Dense([last forward, last backward]))``.

    Args:
        vocabulary: how many ids there are.
        embedding: the size of an id's vector.
        units: the size of the state, in each direction.
        bidirectional: whether it reads backwards as well.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``mask``, bool, ``[batch, source]``, False where a text has ended.

    Raises:
        InputError: a size is not a whole number above 0.

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
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.embed = Embedding(vocabulary, embedding)
        self.forwards = GRU(units, return_sequences=True, return_state=True)
        self.backwards: GRU | None = None
        if bidirectional:
            self.backwards = GRU(units, return_sequences=True, return_state=True, go_backwards=True)
        self.bridge = Dense(units, activation="tanh")

    def call(self, tokens: jax.Array, mask: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        embedded = self.embed(tokens)
        values, state = self.forwards(embedded, mask=mask)
        if self.backwards is not None:
            reverse, last = self.backwards(embedded, mask=mask)
            values = jnp.concatenate([values, reverse[:, ::-1]], axis=-1)
            state = jnp.concatenate([state, last], axis=-1)
        return values, self.bridge(state)
