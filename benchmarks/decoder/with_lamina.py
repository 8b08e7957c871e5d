"""Lamina: a subclass of `Model` with layers; `lamina.jit` and `Trainer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

import lamina
from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.decoder import NORM_EPSILON, Problem
from lamina import Trainer, layers, losses


class Block(lamina.Layer):
    def __init__(self, problem: Problem) -> None:
        super().__init__()
        features = problem.features
        self.first_norm = layers.LayerNormalization(epsilon=NORM_EPSILON)
        self.attention = layers.MultiHeadAttention(problem.heads, features // problem.heads)
        self.second_norm = layers.LayerNormalization(epsilon=NORM_EPSILON)
        self.up = layers.Dense(4 * features, activation="gelu")
        self.down = layers.Dense(features)

    def call(self, x: Any) -> Any:
        y = self.first_norm(x)
        x = x + self.attention(y, y, use_causal_mask=True)
        return x + self.down(self.up(self.second_norm(x)))


class Decoder(lamina.Model):
    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.tokens = layers.Embedding(problem.vocabulary, problem.features)
        self.places = layers.Embedding(problem.time, problem.features)
        self.blocks = [Block(problem) for _ in range(problem.blocks)]
        self.norm = layers.LayerNormalization(epsilon=NORM_EPSILON)
        self.logits = layers.Dense(problem.vocabulary, use_bias=False)

    def call(self, ids: Any) -> Any:
        x = self.tokens(ids) + self.places(jnp.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.logits(self.norm(x))


def model_of(problem: Problem) -> Decoder:
    model = Decoder(problem)
    model.build(lamina.Spec((None, problem.time), "int32"))
    weights = problem.weights
    model.tokens.set_weights([weights["tokens"]])
    model.places.set_weights([weights["places"]])
    model.logits.set_weights([weights["logits"]])
    heads = problem.heads, problem.features // problem.heads
    for index, block in enumerate(model.blocks):
        attention, kernels = block.attention, []
        for name in ("query", "key", "value"):
            kernel = weights[f"{index}.{name}"].reshape(problem.features, *heads)
            kernels += [kernel, np.zeros(heads, "float32")]
        kernels.append(weights[f"{index}.output"].reshape(*heads, problem.features))
        attention.set_weights([*kernels, np.zeros(problem.features, "float32")])
        for layer, name in ((block.up, "up"), (block.down, "down")):
            layer.set_weights([weights[f"{index}.{name}"], layer.bias.numpy()])
    return model


def forward(problem: Problem) -> Callable[[], Any]:
    model, ids = lamina.jit(model_of(problem)), jnp.asarray(problem.ids[:, :-1])
    return lambda: model(ids).block_until_ready()


def step(problem: Problem) -> Callable[[], Any]:
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    trainer = Trainer(model_of(problem), optax.adam(LEARNING_RATE, eps=EPSILON), loss)
    ids = jnp.asarray(problem.ids)
    batch = ids[:, :-1], ids[:, 1:]
    return lambda: trainer.step(batch)["loss"]
