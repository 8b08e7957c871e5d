"""Small decoder-only models, and the plain loop that generation must agree with."""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np

import lamina
from lamina import Layer, Model, initializers, layers

VOCABULARY, FEATURES = 40, 16
PROMPTS = [[3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [5], [1, 2, 3]]
WIDE = initializers.RandomNormal(stddev=1.0)


class Block(Layer):
    """A block of a language model."""

    def __init__(self, attention=None):
        self.attention = attention or layers.MultiHeadAttention(2, 8)
        self.network = layers.Dense(FEATURES, "relu")

    def call(self, x):
        x = x + self.attention(x, x, use_causal_mask=True)
        return x + self.network(x)


class Decoder(Model):
    """A language model of blocks."""

    def __init__(self, blocks, positions=64):
        super().__init__()
        self.tokens = layers.Embedding(VOCABULARY, FEATURES, WIDE)
        self.positions = layers.Embedding(positions, FEATURES, WIDE) if positions else None
        self.blocks = blocks
        self.logits = layers.Dense(VOCABULARY)

    def call(self, ids):
        x = self.tokens(ids)
        if self.positions is not None:
            x = x + self.positions(jnp.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.logits(x)


class OwnPositions(Decoder):
    """A language model that reads its table of positions itself."""

    def call(self, ids):
        x = self.tokens(ids) + self.positions.embeddings.value[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.logits(x)

    def build(self, ids_shape):
        self.positions.build((None,))


def built(model, seed=1):
    model.build(lamina.Spec((None, None), "int32"), seed=seed)
    return model


def decoder(*blocks, **options):
    return built(Decoder(list(blocks) or [Block(), Block()], **options))


@functools.lru_cache(8)
def _compiled(model):
    return lamina.jit(model)


def next_logits(model, ids, total=24):
    """The logits after these ids, which are padded to share a program."""
    padded = np.full((1, total), VOCABULARY - 1, "int32")
    padded[0, : len(ids)] = ids
    return np.array(_compiled(model)(padded))[0, len(ids) - 1]


def plain_loop(model, prompt, count, stop=(), total=24):
    """Greedy decoding by calls on the whole sequence."""
    ids = list(prompt)
    for _ in range(count):
        ids.append(int(np.argmax(next_logits(model, ids, total))))
        if ids[-1] in stop:
            break
    return ids[len(prompt) :]
