"""The recurrent decoder with attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Unpack

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
from lamina.options import LayerOptions
from lamina.seq2seq.attention import BahdanauAttention, DotAttention

__all__ = ["AttentionDecoder", "AttentionKind", "CellKind", "State"]

AttentionKind = Literal["additive", "dot"]
CellKind = Literal["gru", "lstm"]
State = jax.Array | tuple[jax.Array, ...]

_CELLS: dict[str, Callable[..., Cell]] = {"gru": gru_cell, "lstm": lstm_cell}
_ATTENTIONS = {"additive": BahdanauAttention, "dot": DotAttention}


class AttentionDecoder(Layer):
    """Recurrent decoder with attention: logits of the next token at each step.

    With e_t the embedding of token t, and s the state::

        c_t = attention(s_{t-1}, values)
        s_t = cell(e_t kernel + c_t context_kernel + bias, s_{t-1})
        logits_t = output(s_t)                                  by default
        logits_t = output(tanh(readout [s_t, c_t, e_t]))        deep_output

    The context is an input of the cell (input feeding). With all tokens of a target (teacher
    forcing) the steps are one scan; inference calls the layer with one token and passes on the
    state.

    Shapes: tokens ``[batch, target]``, values ``[batch, source, channels]``, state
    ``[batch, units]``, or two for an LSTM, (h, c) -> logits ``[batch, target, vocabulary]`` and the
    final state. Weights: ``kernel [embedding, gates]``, ``context_kernel [channels, gates]``,
    ``recurrent_kernel [units, gates]`` and ``bias``, ``[2, gates]`` for a GRU and ``[gates]`` for
    an LSTM, with gates = 3 units for a GRU and 4 units for an LSTM, in the order of their layers;
    and those of ``embed``, ``attention``, ``readout`` and ``output``.

    Args:
        vocabulary: number of token ids, a positive integer.
        embedding: size of the embedding, a positive integer.
        units: size of the state, a positive integer.
        attention_units: size of the attention's hidden layer, a positive integer; ``units`` if
            None (default).
        attention: ``"additive"`` (default) or ``"dot"``.
        cell: ``"gru"`` (default) or ``"lstm"``.
        dropout: dropout rate of the embeddings and of the output layer's inputs, a number in
            [0, 1]; 0 by default.
        deep_output: compute the logits from state, context and embedding, through a hidden layer
            ``readout`` of size ``embedding``; False by default.
        tied: use the embedding matrix as the output's kernel; False by default. It needs
            ``deep_output``, or ``units`` equal to ``embedding``.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        tokens: integers ``[batch, target]``.
        values: ``[batch, source, channels]``, the encoder's outputs.
        state: the state before the first token.
        mask: bool ``[batch, source]``, False at padding of the values; None by default.
        keys: the result of :meth:`remember` for the same values; computed if None (default).
        return_attention: return the attention weights as well; False by default.

    Returns:
        ``(logits, state)``, or ``(logits, state, weights)`` with weights ``[batch, target,
        source]``.

    Raises:
        InputError: an option is out of range, or a shape does not fit.

    Source: Bahdanau, Cho, Bengio, arXiv 1409.0473, section A.2, with tanh in the deep output. Input
    feeding: Luong, Pham, Manning, arXiv 1508.04025, section 3.3. Tying: Press, Wolf,
    arXiv 1608.05859.

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
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.units = check_count(self, "units", units)
        self.cell = check_choice(self, "cell", cell, tuple(_CELLS))
        make_attention = _ATTENTIONS[check_choice(self, "attention", attention, tuple(_ATTENTIONS))]
        self.embed = Embedding(vocabulary, embedding)
        self.attention = make_attention(units if attention_units is None else attention_units)
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
            self.bias = self.add_weight((gates,), _forget_ones)
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
        projected: jax.Array = self.attention.keys(values) if keys is None else keys
        embedded = self.dropout(self.embed(tokens))
        cell = _CELLS[self.cell](lax.tanh, lax.logistic)
        attended = attend(
            cell,
            dense(embedded, self.kernel),
            start,
            Memory(projected, values, mask),
            AttentionWeights(
                self.attention.W1.kernel.value,
                self.attention.score_weights(),
                self.context_kernel.value,
                self.recurrent_kernel.value,
                self.bias.value,
            ),
        )
        logits = self._logits(attended, embedded)
        final_state = attended.state if self.cell == "lstm" else attended.state[0]
        weights = (attended.attention,) if return_attention else ()
        return logits, final_state, *weights

    def remember(self, values: jax.Array) -> jax.Array:
        """Returns the attention's keys of the values, which all steps of inference share.

        Args:
            values: the outputs of the encoder, ``[batch, source, features]``.

        Returns:
            The keys, ``[batch, source, units]``.
        """
        return self.attention.keys(values)

    def begin(self, state: State, values: jax.Array, length: int) -> State:
        """Returns the state before the first of ``length`` steps, which is the encoder's.

        Args:
            state: the last state of the encoder.
            values: the outputs of the encoder, ``[batch, source, features]``.
            length: int, the number of steps.

        Returns:
            The state.
        """
        return state

    def _logits(self, attended: Attended, embedded: jax.Array) -> jax.Array:
        hidden = attended.outputs
        if self.readout is not None:
            hidden = self.readout(jnp.concatenate([hidden, attended.contexts, embedded], -1))
        hidden = self.dropout(hidden)
        if self.output is not None:
            return self.output(hidden)
        return dense(hidden, self.embed.embeddings.value.T, self.output_bias)

    def _start(self, state: State, batch: int) -> tuple[jax.Array, ...]:
        start = state if isinstance(state, tuple) else (state,)
        check_choice(self, "the number of states", len(start), (2 if self.cell == "lstm" else 1,))
        for array in start:
            check_shape(self, "a state", array, (batch, self.units), "batch, units")
        return start


def _forget_ones(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Initializer of an LSTM's bias: zeros, with ones for the forget gate."""
    return jnp.repeat(jnp.array([0, 1, 0, 0], dtype), shape[0] // 4)
