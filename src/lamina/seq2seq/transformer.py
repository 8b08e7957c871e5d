"""The Transformer for sequence-to-sequence tasks."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

from lamina.core.specs.spec import Spec
from lamina.layers import TransformerDecoderBlock, TransformerEncoderBlock
from lamina.ops.dense import dense
from lamina.seq2seq.base import Translating
from lamina.seq2seq.options import TranslatingOptions
from lamina.seq2seq.transformer_stack import TransformerStack, embedded

__all__ = ["Transformer", "TransformerDecoder", "TransformerEncoder"]

Pair = dict[str, jax.Array]
"""Keys and values, ``[batch, time, heads, size]`` each."""


class TransformerEncoder(TransformerStack):
    """Embed tokens and process them with a stack of self-attention blocks.

    Embeddings are multiplied by the square root of their size, and sinusoidal position encodings
    are added. The blocks normalize their inputs (``normalize_first``).

    Shapes: tokens ``[batch, source]`` -> values ``[batch, source, embedding]``, and None in place
    of the state of a recurrent encoder. Weights: those of ``embed``, ``blocks`` and ``norm``.

    Args:
        vocabulary: number of token ids, a positive integer.
        embedding: size of the embedding, a positive integer.
        intermediate_dim: size of the feed-forward networks' hidden layer, a positive integer.
        num_heads: number of attention heads, a divisor of ``embedding``; 4 by default.
        num_layers: number of blocks, a positive integer; 2 by default.
        dropout: dropout rate of the embeddings, of each part of a block, and of the attention
            weights, a number in [0, 1]; 0 by default.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        tokens: integers ``[batch, source]``.
        mask: bool ``[batch, source]``, False at padding; None by default.

    Returns:
        ``(values, None)``.

    Raises:
        InputError: an option is out of range.

    Source: Vaswani et al., arXiv 1706.03762; normalize_first: Xiong et al., arXiv 2002.04745.

    >>> encoder = TransformerEncoder(10, 8, 16, num_heads=2, num_layers=1)
    >>> values, state = encoder(jnp.array([[3, 1, 4]]))
    >>> values.shape, state
    ((1, 3, 8), None)
    """

    block = TransformerEncoderBlock

    def call(self, tokens: jax.Array, mask: jax.Array | None = None) -> tuple[jax.Array, None]:
        x = self.dropout(embedded(self.embed, tokens))
        for block in self.blocks:
            x = block(x, mask=mask)
        return self.norm(x), None


class TransformerDecoder(TransformerStack):
    """Decoder of causal self-attention and cross-attention: logits of the next token.

    With all tokens of a target, the steps are computed at once. Inference calls the layer with one
    token and passes on the state, whose caches :meth:`begin` makes. The output's kernel is the
    embedding matrix.

    Shapes: tokens ``[batch, target]``, values ``[batch, source, channels]`` -> logits ``[batch,
    target, vocabulary]`` and the state. Weights: those of ``embed``, ``blocks`` and ``norm``, and
    ``output_bias [vocabulary]``.

    Args:
        vocabulary: number of token ids, a positive integer.
        embedding: size of the embedding, a positive integer.
        intermediate_dim: size of the feed-forward networks' hidden layer, a positive integer.
        num_heads: number of attention heads, a divisor of ``embedding``; 4 by default.
        num_layers: number of blocks, a positive integer; 2 by default.
        dropout: dropout rate of the embeddings, of each part of a block, and of the attention
            weights, a number in [0, 1]; 0 by default.
        **options: ``name``, ``trainable``, ``dtype`` and the other options of
            :class:`lamina.Layer`.

    Call args:
        tokens: integers ``[batch, target]``.
        values: ``[batch, source, channels]``, the encoder's outputs.
        state: the state of :meth:`begin` or of the previous step; None (default) if all tokens
            are passed at once.
        mask: bool ``[batch, source]``, False at padding of the values; None by default.
        memory: the result of :meth:`remember` for the same values; computed if None (default).
        return_attention: return the cross-attention weights of the last block, averaged over
            heads; False by default.

    Returns:
        ``(logits, state)``, or ``(logits, state, weights)`` with weights ``[batch, target,
        source]``.

    Raises:
        InputError: an option is out of range, or a shape does not fit.

    Source: Vaswani et al., arXiv 1706.03762; normalize_first: Xiong et al., arXiv 2002.04745;
    tying: Press, Wolf, arXiv 1608.05859.

    >>> decoder = TransformerDecoder(13, 8, 16, num_heads=2, num_layers=1)
    >>> logits, _ = decoder(jnp.array([[1, 5, 9]]), jnp.ones((1, 7, 8)))
    >>> logits.shape
    (1, 3, 13)
    """

    block = TransformerDecoderBlock

    def build(self, tokens_shape: Any, values_shape: Any) -> None:
        self.output_bias = self.add_weight((self.embed.input_dim,), "zeros")

    def call(
        self,
        tokens: jax.Array,
        values: jax.Array,
        state: dict[str, Any] | None = None,
        mask: jax.Array | None = None,
        memory: list[Pair] | None = None,
        return_attention: bool = False,
    ) -> tuple[Any, ...]:
        start = 0 if state is None else state["length"][0]
        x: Any = self.dropout(embedded(self.embed, tokens, start))
        weights: Any = None
        caches: list[dict[str, Any]] = []
        for number, block in enumerate(self.blocks):
            options: dict[str, Any] = {"memory": values, "memory_mask": mask}
            if state is not None:
                options["cache"] = self._cache(state, number, values, memory)
            scored = return_attention and block is self.blocks[-1]
            result: Any = block(x, return_attention_scores=scored, **options)
            outputs: list[Any] = list(result) if scored or state is not None else [result]
            x = outputs[0]
            weights = outputs[1].mean(1) if scored else weights
            caches += [] if state is None else [outputs[-1]["self_attention"]]
        logits = dense(self.norm(x), self.embed.embeddings.value.T, self.output_bias)
        state = None if state is None else self._state(caches, state, tokens.shape[1])
        return logits, state, *([weights] if return_attention else [])

    def remember(self, values: jax.Array) -> list[Pair]:
        """Returns each block's keys and values of the encoder's outputs, shared by all steps.

        Args:
            values: the outputs of the encoder, ``[batch, source, features]``.

        Returns:
            A list of pairs of arrays, one pair for each block.
        """
        if not hasattr(
            self.blocks[0], "cross_attention"
        ):  # the first call of the model is a search
            self.build(Spec((values.shape[0], 1), "int32"), values)
        return [_pair(block.cross_attention.remember(values)) for block in self.blocks]

    def begin(self, state: None, values: jax.Array, length: int) -> dict[str, Any]:
        """Returns empty caches for ``length`` steps, and the length of each row, ``[batch]``.

        Args:
            state: None; the encoder has no state.
            values: the outputs of the encoder, ``[batch, source, features]``.
            length: int, the number of steps.

        Returns:
            A dict of the caches of all blocks (``"seen"``) and the lengths (``"length"``).
        """
        batch = values.shape[0]
        caches = [block.self_attention.make_cache(batch, length) for block in self.blocks]
        return {"seen": [_pair(cache) for cache in caches], "length": jnp.zeros(batch, jnp.int32)}

    def _cache(
        self, state: dict[str, Any], number: int, values: jax.Array, memory: list[Pair] | None
    ) -> dict[str, Any]:
        """Returns a block's cache; all rows have the same length."""
        pair = self.remember(values)[number] if memory is None else memory[number]
        source = jnp.asarray(values.shape[1], jnp.int32)
        return {
            "self_attention": state["seen"][number] | {"length": state["length"][0]},
            "cross_attention": pair | {"length": source},
        }

    def _state(
        self, caches: list[dict[str, Any]], before: dict[str, Any], steps: int
    ) -> dict[str, Any]:
        return {"seen": [_pair(cache) for cache in caches], "length": before["length"] + steps}


def _pair(cache: dict[str, Any]) -> Pair:
    return {"key": cache["key"], "value": cache["value"]}


class Transformer(Translating):
    """Sequence-to-sequence model of attention blocks, with the methods of :class:`Seq2Seq`.

    Shapes: source ``[batch, source]`` and target ``[batch, target]``, integers -> logits
    ``[batch, target, vocabulary]``. Weights: those of ``encoder`` and ``decoder``.

    Args:
        source_vocabulary: number of source token ids, a positive integer.
        target_vocabulary: number of target token ids, a positive integer.
        embedding: size of the embeddings, a positive integer; 128 by default.
        intermediate_dim: size of the feed-forward networks' hidden layer, a positive integer;
            ``4 * embedding`` if None (default).
        num_heads: number of attention heads, a divisor of ``embedding``; 4 by default.
        num_layers: number of blocks of the encoder and of the decoder, a positive integer; 2 by
            default.
        dropout: dropout rate of the embeddings, of each part of a block, and of the attention
            weights, a number in [0, 1]; 0 by default.
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

    Source: Vaswani et al., arXiv 1706.03762.

    >>> model = Transformer(10, 13, embedding=8, num_heads=2, num_layers=1)
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
        embedding: int = 128,
        intermediate_dim: int | None = None,
        num_heads: int = 4,
        num_layers: int = 2,
        dropout: float = 0.0,
        **options: Unpack[TranslatingOptions],
    ) -> None:
        super().__init__(**options)
        hidden = 4 * embedding if intermediate_dim is None else intermediate_dim
        stack_options: dict[str, Any] = {
            "num_heads": num_heads,
            "num_layers": num_layers,
            "dropout": dropout,
        }
        self.encoder = TransformerEncoder(source_vocabulary, embedding, hidden, **stack_options)
        self.decoder = TransformerDecoder(target_vocabulary, embedding, hidden, **stack_options)
