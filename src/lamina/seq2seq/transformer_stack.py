"""The base of the Transformer's encoder and decoder, and its position encodings."""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp

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
from lamina.options import LayerOptions

__all__ = ["TransformerStack", "embedded"]


def _embedding(vocabulary: int, size: int) -> Embedding:
    """Embeddings of norm about 1, so that the matrix also serves as the output's kernel."""
    return Embedding(vocabulary, size, RandomNormal(stddev=size**-0.5))


def embedded(embed: Embedding, tokens: jax.Array, start: Any = 0) -> jax.Array:
    """Returns embeddings times the square root of their size, plus position encodings.

    Feature 2i of position p is ``sin(p / 10000^(2i / size))``, and feature 2i + 1 the cosine.
    """
    x, size = embed(tokens), embed.output_dim
    positions = jnp.arange(tokens.shape[1]) + start
    angles = positions[:, None] / 10000 ** (jnp.arange(0, size, 2) / size)
    encodings = jnp.stack([jnp.sin(angles), jnp.cos(angles)], -1)
    encodings = encodings.reshape(len(positions), -1)[:, :size]
    return x * size**0.5 + encodings.astype(x.dtype)


class TransformerStack(Layer):
    """The base of encoder and decoder: an embedding, a stack of blocks, a normalization."""

    _hides_masks = True
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
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        count = check_count(self, "num_layers", num_layers)
        self.embed = _embedding(vocabulary, embedding)
        self.dropout = Dropout(dropout)
        block_options: dict[str, Any] = {
            "dropout": dropout,
            "activation": "gelu",
            "normalize_first": True,
        }
        self.blocks: list[Any] = [
            self.block(intermediate_dim, num_heads, **block_options) for _ in range(count)
        ]
        self.norm = LayerNormalization()
