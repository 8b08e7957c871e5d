"""The decoder: a GRU that writes, looking at what the encoder read."""

from __future__ import annotations

from typing import Any

import jax
from jax import lax

from lamina.layer import Layer
from lamina.layers import Dense, Embedding
from lamina.layers.checks import check_count, check_shape
from lamina.ops.recurrence import AttentionWeights, Memory, attend, gru_cell, gru_project
from lamina.seq2seq.attention import BahdanauAttention

__all__ = ["AttentionDecoder"]


class AttentionDecoder(Layer):
    """Score the next id at each step, from the ids before it and from attention to values.

    With e_t the embedding of the id before, and s the state::

        c_t = attention(s_{t-1}, values)
        s_t = GRU(e_t kernel + c_t context_kernel + bias, s_{t-1})
        logits_t = output(s_t)

    All steps of known ids (teacher forcing) are one scan; with one id a call, the state handed
    on, it is one step of inference. What does not depend on the state is computed outside.

    Shapes: tokens ``[batch, target]``, values ``[batch, source, channels]``, state
    ``[batch, units]`` -> logits ``[batch, target, vocabulary]`` and the last state; with
    ``return_attention`` the weights, too, ``[batch, target, source]``. Weights ``kernel
    [embedding, 3 units]``, ``context_kernel [channels, 3 units]``, ``recurrent_kernel [units,
    3 units]``, ``bias [2, 3 units]``, as a GRU's.

    Args:
        vocabulary: how many ids there are.
        embedding: the size of an id's vector.
        units: the size of the state.
        attention_units: the size of the attention's hidden layer; ``units`` if None.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``mask``, bool, ``[batch, source]``, False where a value is padding, and ``keys``,
    what ``decoder.attention.keys(values)`` gave, so that steps of inference share it.

    Raises:
        InputError: a size is not a whole number above 0, or a shape does not fit.

    Source: Bahdanau, Cho, Bengio, arXiv 1409.0473, section A.2; the output layer is one affine
    map here.

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
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = check_count(self, "units", units)
        self.embed = Embedding(vocabulary, embedding)
        self.attention = BahdanauAttention(units if attention_units is None else attention_units)
        self.output = Dense(vocabulary)

    def build(self, tokens_shape: Any, values_shape: Any) -> None:
        gates = 3 * self.units
        self.attention.build((None, self.units), values_shape)
        self.kernel = self.add_weight((self.embed.output_dim, gates))
        self.context_kernel = self.add_weight((values_shape[-1], gates))
        self.recurrent_kernel = self.add_weight((self.units, gates), "orthogonal")
        self.bias = self.add_weight((2, gates), "zeros")

    def call(
        self,
        tokens: jax.Array,
        values: jax.Array,
        state: jax.Array,
        mask: jax.Array | None = None,
        keys: jax.Array | None = None,
        return_attention: bool = False,
    ) -> tuple[jax.Array, ...]:
        check_shape(self, "a state", state, (tokens.shape[0], self.units), "batch, units")
        read = self.attention.keys(values) if keys is None else keys
        embedded = self.embed(lax.transpose(tokens, (1, 0)))  # [target, batch, embedding]
        attended = attend(
            gru_cell(lax.tanh, lax.logistic),
            gru_project(embedded, self.kernel, self.bias),
            (state,),
            Memory(read, values, mask),
            AttentionWeights(
                self.attention.W1.kernel.value,
                self.attention.V.kernel.value[:, 0],
                self.context_kernel.value,
                self.recurrent_kernel.value,
                self.bias.value[1],
            ),
        )
        logits = self.output(lax.transpose(attended.outputs, (1, 0, 2)))
        seen = (lax.transpose(attended.attention, (1, 0, 2)),) if return_attention else ()
        return logits, attended.state[0], *seen
