"""Keras: a subclass of `Model` with layers, and the stateless functions of its JAX guide."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import layers

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.decoder import NORM_EPSILON, Problem


class Block(layers.Layer):
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


class Decoder(keras.Model):
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
    model(problem.ids[:, :-1])
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
    model, ids = model_of(problem), jax.device_put(problem.ids[:, :-1])
    weights = [v.value for v in model.trainable_variables]
    rest = [v.value for v in model.non_trainable_variables]
    run = jax.jit(lambda weights, rest, ids: model.stateless_call(weights, rest, ids)[0])
    return lambda: run(weights, rest, ids).block_until_ready()


def step(problem: Problem) -> Callable[[], Any]:
    model = model_of(problem)
    x, y = jax.device_put((problem.ids[:, :-1], problem.ids[:, 1:]))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON)
    optimizer.build(model.trainable_variables)

    def loss_of(weights: Any, rest: Any, x: Any, y: Any) -> Any:
        outputs, rest = model.stateless_call(weights, rest, x)
        return loss(y, outputs), rest

    @functools.partial(jax.jit, donate_argnums=0)
    def advance(state: Any, x: Any, y: Any) -> Any:
        weights, rest, moments = state
        grad = jax.value_and_grad(loss_of, has_aux=True)
        (value, rest), gradients = grad(weights, rest, x, y)
        weights, moments = optimizer.stateless_apply(moments, gradients, weights)
        return (weights, rest, moments), value

    kinds = model.trainable_variables, model.non_trainable_variables, optimizer.variables
    state: Any = tuple([v.value for v in kind] for kind in kinds)

    def run() -> Any:
        nonlocal state
        state, value = advance(state, x, y)
        return value

    return run
