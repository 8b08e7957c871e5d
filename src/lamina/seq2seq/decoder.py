"""The decoder: a recurrence that writes, looking at what the encoder read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from lamina.layer import Layer
from lamina.layers import Dense, Dropout, Embedding
from lamina.layers.bases.checks import check_choice, check_count, check_shape
from lamina.ops.dense import dense
from lamina.ops.recurrence import (
    Attended,
    AttentionWeights,
    Cell,
    Memory,
    attend,
    gru_cell,
    lstm_cell,
)
from lamina.seq2seq.attention import BahdanauAttention, DotAttention

__all__ = ["AttentionDecoder", "AttentionKind", "CellKind", "State"]

AttentionKind = Literal["additive", "dot"]
CellKind = Literal["gru", "lstm"]
State = jax.Array | tuple[jax.Array, ...]

_CELLS: dict[str, Callable[..., Cell]] = {"gru": gru_cell, "lstm": lstm_cell}
_ATTENTIONS = {"additive": BahdanauAttention, "dot": DotAttention}


class AttentionDecoder(Layer):
    """Score the next id at each step, from the ids before it and from attention to values.

    With e_t the embedding of the id before, and s the state::

        c_t = attention(s_{t-1}, values)
        s_t = cell(e_t kernel + c_t context_kernel + bias, s_{t-1})
        logits_t = output(s_t)                                  or, with a deep output,
        logits_t = output(tanh(readout [s_t, c_t, e_t]))

    The context is part of the cell's input, so that a step knows where the decoder has looked
    (input feeding). All steps of known ids (teacher forcing) are one scan; with one id a call, the
    state handed on, it is one step of inference. What does not depend on the state is computed
    outside.

    Shapes: tokens ``[batch, target]``, values ``[batch, source, channels]``, state
    ``[batch, units]``, for an LSTM two of them, (h, c) -> logits ``[batch, target, vocabulary]``
    and the last state; with ``return_attention`` the weights, too, ``[batch, target, source]``.
    Weights ``kernel [embedding, gates]``, ``context_kernel [channels, gates]``,
    ``recurrent_kernel [units, gates]`` and ``bias``, ``[2, gates]`` for a GRU and ``[gates]`` for
    an LSTM; gates are 3 units of a GRU, 4 of an LSTM, in their layers' order.

    Args:
        vocabulary: how many ids there are.
        embedding: the size of an id's vector.
        units: the size of the state.
        attention_units: the size of the attention's hidden layer; ``units`` if None.
        attention: ``"additive"`` or ``"dot"``.
        cell: ``"gru"`` or ``"lstm"``.
        dropout: the share of embeddings, and of what the output sees, dropped while training.
        deep_output: whether the output sees state, context and embedding, through a hidden layer
            ``readout`` of size ``embedding``.
        tied: whether the output's kernel is that of the embedding; it needs a deep output, or
            units of the embedding's size.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``mask``, bool, ``[batch, source]``, False where a value is padding, and ``keys``,
    what ``decoder.remember(values)`` gave, so that steps of inference share it.

    Raises:
        InputError: an option is out of range, or a shape does not fit.

    Source: Bahdanau, Cho, Bengio, arXiv 1409.0473, section A.2; the deep output's hidden layer is
    tanh here. Input feeding: Luong, Pham, Manning, arXiv 1508.04025, section 3.3. Tying: Press,
    Wolf, arXiv 1608.05859.

    >>> decoder = AttentionDecoder(13, 4, 8)
    >>> logits, state = decoder(jnp.array([[1, 5, 9]]), jnp.ones((1, 7, 16)), jnp.zeros((1, 8)))
    >>> logits.shape, state.shape
    ((1, 3, 13), (1, 8))
    """

    def __init__(
        self,
        vocabulary: int,
        embedding: int,
        units: int,
        attention_units: int | None = None,
        *,
        attention: AttentionKind = "additive",
        cell: CellKind = "gru",
        dropout: float = 0.0,
        deep_output: bool = False,
        tied: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = check_count(self, "units", units)
        self.cell = check_choice(self, "cell", cell, tuple(_CELLS))
        kind = _ATTENTIONS[check_choice(self, "attention", attention, tuple(_ATTENTIONS))]
        self.embed = Embedding(vocabulary, embedding)
        self.attention = kind(units if attention_units is None else attention_units)
        self.dropout = Dropout(dropout)
        self.readout = Dense(embedding, activation="tanh") if deep_output else None
        self.tied = tied
        if tied and not deep_output:
            check_choice(self, "units", units, (embedding,))
        self.output = None if tied else Dense(vocabulary)

    def build(self, tokens_shape: Any, values_shape: Any) -> None:
        gates = _CELLS[self.cell](lax.tanh, lax.logistic).gates * self.units
        self.attention.build((values_shape[0], self.units), values_shape)
        self.kernel = self.add_weight((self.embed.output_dim, gates))
        self.context_kernel = self.add_weight((values_shape[-1], gates))
        self.recurrent_kernel = self.add_weight((self.units, gates), "orthogonal")
        if self.cell == "gru":
            self.bias = self.add_weight((2, gates), "zeros")
        else:
            self.bias = self.add_weight((gates,), _remembering)
        if self.tied:
            self.output_bias = self.add_weight((self.embed.input_dim,), "zeros")

    def call(
        self,
        tokens: jax.Array,
        values: jax.Array,
        state: State,
        mask: jax.Array | None = None,
        keys: jax.Array | None = None,
        return_attention: bool = False,
    ) -> tuple[Any, ...]:
        start = self._start(state, tokens.shape[0])
        read = self.attention.keys(values) if keys is None else keys
        embedded = self.dropout(self.embed(tokens))
        cell = _CELLS[self.cell](lax.tanh, lax.logistic)
        attended = attend(
            cell,
            dense(embedded, self.kernel),
            start,
            Memory(read, values, mask),
            AttentionWeights(
                self.attention.W1.kernel.value,
                self.attention.score_weights(),
                self.context_kernel.value,
                self.recurrent_kernel.value,
                self.bias.value,
            ),
        )
        logits = self._logits(attended, embedded)
        after = attended.state if self.cell == "lstm" else attended.state[0]
        seen = (attended.attention,) if return_attention else ()
        return logits, after, *seen

    def remember(self, values: jax.Array) -> jax.Array:
        """What steps of inference share: the attention's ``keys`` of the values."""
        return self.attention.keys(values)

    def begin(self, state: State, values: jax.Array, length: int) -> State:
        """The state before the first of ``length`` steps: that of the encoder."""
        return state

    def _logits(self, attended: Attended, embedded: jax.Array) -> jax.Array:
        seen = attended.outputs
        if self.readout is not None:
            seen = self.readout(jnp.concatenate([seen, attended.contexts, embedded], -1))
        seen = self.dropout(seen)
        if self.output is not None:
            return self.output(seen)
        return dense(seen, self.embed.embeddings.value.T, self.output_bias)

    def _start(self, state: State, batch: int) -> tuple[jax.Array, ...]:
        start = state if isinstance(state, tuple) else (state,)
        check_choice(self, "the number of states", len(start), (2 if self.cell == "lstm" else 1,))
        for array in start:
            check_shape(self, "a state", array, (batch, self.units), "batch, units")
        return start


def _remembering(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Zeros, and ones for the forget gate, so that an LSTM begins by keeping its state."""
    return jnp.repeat(jnp.array([0, 1, 0, 0], dtype), shape[0] // 4)
