"""A model that turns one sequence of ids into another, by attention alone."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.specs.spec import Spec
from lamina.initializers import RandomNormal
from lamina.layer import Layer
from lamina.layers import (
    Dropout,
    Embedding,
    LayerNormalization,
    TransformerDecoderBlock,
    TransformerEncoderBlock,
)
from lamina.layers.bases.checks import check_count
from lamina.ops.dense import dense
from lamina.seq2seq.base import Translating

__all__ = ["Transformer", "TransformerDecoder", "TransformerEncoder"]

Pair = dict[str, jax.Array]
"""Keys and values, ``[batch, time, heads, size]`` each."""


def _embedding(vocabulary: int, size: int) -> Embedding:
    """Vectors of length 1 or so, which serve as the output's kernel, too."""
    return Embedding(vocabulary, size, RandomNormal(stddev=size**-0.5))


def _placed(embed: Embedding, tokens: jax.Array, start: Any = 0) -> jax.Array:
    """Embedded ids, times the root of their size, and what tells their places from ``start`` on::

    sin(p / 10000^(2i / size)) at 2i, cos(p / 10000^(2i / size)) at 2i + 1
    """
    x, size = embed(tokens), embed.output_dim
    places = jnp.arange(tokens.shape[1]) + start
    turns = places[:, None] / 10000 ** (jnp.arange(0, size, 2) / size)
    waves = jnp.stack([jnp.sin(turns), jnp.cos(turns)], -1).reshape(len(places), -1)[:, :size]
    return x * size**0.5 + waves.astype(x.dtype)


class _Stack(Layer):
    """An embedding, blocks one on top of the other, and a norm."""

    block: type[TransformerEncoderBlock] | type[TransformerDecoderBlock]

    def __init__(
        self,
        vocabulary: int,
        embedding: int,
        intermediate_dim: int,
        *,
        num_heads: int = 4,
        num_layers: int = 2,
        dropout: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        count = check_count(self, "num_layers", num_layers)
        self.embed = _embedding(vocabulary, embedding)
        self.dropout = Dropout(dropout)
        kind: dict[str, Any] = {"dropout": dropout, "activation": "gelu", "normalize_first": True}
        self.blocks: list[Any] = [
            self.block(intermediate_dim, num_heads, **kind) for _ in range(count)
        ]
        self.norm = LayerNormalization()


class TransformerEncoder(_Stack):
    """Embed ids, and let them look at each other in blocks, one on top of the other.

    Shapes: tokens ``[batch, source]`` -> values ``[batch, source, embedding]``, and None in place
    of the state that recurrences have. Embeddings are times the root of their size, and waves
    added to them tell the places; norms stand first in each block.

    Args:
        vocabulary: how many ids there are.
        embedding: the size of an id's vector, and of a value.
        intermediate_dim: the size of a block's hidden layer.
        num_heads: of each attention; a divisor of the embedding.
        num_layers: how many blocks.
        dropout: the share of embeddings, of what each part of a block adds, and of attention
            weights dropped while training.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    Call takes ``mask``, bool, ``[batch, source]``, False where a text has ended.

    Raises:
        InputError: an option is out of range.

    Source: Vaswani et al., arXiv 1706.03762; norms first: Xiong et al., arXiv 2002.04745.

    >>> values, state = TransformerEncoder(10, 8, 16, num_heads=2)(jnp.array([[3, 1, 4]]))
    >>> values.shape, state
    ((1, 3, 8), None)
    """

    block = TransformerEncoderBlock

    def call(self, tokens: jax.Array, mask: jax.Array | None = None) -> tuple[jax.Array, None]:
        x = self.dropout(_placed(self.embed, tokens))
        for block in self.blocks:
            x = block(x, mask=mask)
        return self.norm(x), None


class TransformerDecoder(_Stack):
    """Score the next id at each place, from the ids before it and from attention to values.

    All places of known ids are computed at once; with one id a call, and the state handed on, it
    is one step of inference, for which :meth:`begin` makes room.

    Shapes: tokens ``[batch, target]``, values ``[batch, source, channels]`` -> logits ``[batch,
    target, vocabulary]`` and the state; with ``return_attention`` the weights of the last block's
    attention to the values, too, the mean of its heads, ``[batch, target, source]``.

    Args:
        vocabulary: how many ids there are.
        embedding: the size of an id's vector.
        intermediate_dim: the size of a block's hidden layer.
        num_heads: of each attention; a divisor of the embedding.
        num_layers: how many blocks.
        dropout: as for :class:`TransformerEncoder`.
        **options: ``name``, ``trainable`` and ``dtype``, as for any layer.

    The output's kernel is that of the embedding. Call takes ``state``, None where all ids are
    given at once; ``mask``, bool, ``[batch, source]``, False where a value is padding; ``memory``,
    what ``decoder.remember(values)`` gave, so that steps of inference share it.

    Raises:
        InputError: an option is out of range, or a shape does not fit.

    Source: as for :class:`TransformerEncoder`; tying: Press, Wolf, arXiv 1608.05859.

    >>> decoder = TransformerDecoder(13, 8, 16, num_heads=2)
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
        x: Any = self.dropout(_placed(self.embed, tokens, start))
        weights: Any = None
        after: list[dict[str, Any]] = []
        for place, block in enumerate(self.blocks):
            options: dict[str, Any] = {"memory": values, "memory_mask": mask}
            if state is not None:
                options["cache"] = self._cache(state, place, values, memory)
            scored = return_attention and block is self.blocks[-1]
            found: Any = block(x, return_attention_scores=scored, **options)
            parts: list[Any] = list(found) if scored or state is not None else [found]
            x = parts[0]
            weights = parts[1].mean(1) if scored else weights
            after += [] if state is None else [parts[-1]["self_attention"]]
        logits = dense(self.norm(x), self.embed.embeddings.value.T, self.output_bias)
        state = None if state is None else self._state(after, state, tokens.shape[1])
        return logits, state, *([weights] if return_attention else [])

    def remember(self, values: jax.Array) -> list[Pair]:
        """What steps of inference share: each block's keys and values of the values."""
        if not hasattr(self.blocks[0], "cross_attention"):  # a search is what builds the model
            self.build(Spec((values.shape[0], 1), "int32"), values)
        return [_pair(block.cross_attention.remember(values)) for block in self.blocks]

    def begin(self, state: None, values: jax.Array, length: int) -> dict[str, Any]:
        """Room for ``length`` steps in each block, and how many were made, ``[batch]``."""
        batch = values.shape[0]
        caches = [block.self_attention.make_cache(batch, length) for block in self.blocks]
        return {"seen": [_pair(one) for one in caches], "length": jnp.zeros(batch, jnp.int32)}

    def _cache(
        self, state: dict[str, Any], place: int, values: jax.Array, memory: list[Pair] | None
    ) -> dict[str, Any]:
        """The cache of a block: all rows have made the same number of steps."""
        known = self.remember(values)[place] if memory is None else memory[place]
        source = jnp.asarray(values.shape[1], jnp.int32)
        return {
            "self_attention": state["seen"][place] | {"length": state["length"][0]},
            "cross_attention": known | {"length": source},
        }

    def _state(
        self, caches: list[dict[str, Any]], before: dict[str, Any], steps: int
    ) -> dict[str, Any]:
        return {"seen": [_pair(one) for one in caches], "length": before["length"] + steps}


def _pair(cache: dict[str, Any]) -> Pair:
    return {"key": cache["key"], "value": cache["value"]}


class Transformer(Translating):
    """An encoder and a decoder of attention blocks, under the face of :class:`Seq2Seq`.

    It is trained on the same rows, by the same loss, and writes by the same searches.

    Shapes: source ``[batch, source]`` and target ``[batch, target]``, whole numbers -> logits
    ``[batch, target, vocabulary]`` of the id after each of the target's.

    Args:
        source_vocabulary: how many ids the source has.
        target_vocabulary: how many ids the target has.
        embedding: the size of an id's vector.
        intermediate_dim: the size of a block's hidden layer; four times the embedding if None.
        num_heads: of each attention; a divisor of the embedding.
        num_layers: how many blocks encoder and decoder have.
        dropout: as for :class:`TransformerEncoder`.
        **options: those of :class:`Translating`.

    Raises:
        InputError: an option is out of range.

    Source: Vaswani et al., arXiv 1706.03762.

    >>> model = Transformer(10, 13, embedding=8, num_heads=2)
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
        **options: Any,
    ) -> None:
        super().__init__(**options)
        hidden = 4 * embedding if intermediate_dim is None else intermediate_dim
        kind: dict[str, Any] = {
            "num_heads": num_heads,
            "num_layers": num_layers,
            "dropout": dropout,
        }
        self.encoder = TransformerEncoder(source_vocabulary, embedding, hidden, **kind)
        self.decoder = TransformerDecoder(target_vocabulary, embedding, hidden, **kind)
