"""Flax NNX: `nnx.jit` with `nnx.cached_partial`, as its performance guide recommends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import optax
from flax import nnx

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.mlp import Problem


class Perceptron(nnx.Module):
    def __init__(self, problem: Problem) -> None:
        rngs = nnx.Rngs(0)
        self.first = nnx.Linear(problem.features, problem.hidden, rngs=rngs)
        self.second = nnx.Linear(problem.hidden, problem.hidden, rngs=rngs)
        self.last = nnx.Linear(problem.hidden, problem.classes, rngs=rngs)
        layers = self.first, self.second, self.last
        for layer, (kernel, bias) in zip(layers, problem.weights, strict=True):
            layer.kernel[...], layer.bias[...] = kernel, bias

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.first(x))
        return self.last(nnx.relu(self.second(x)))


def forward(problem: Problem) -> Callable[[], Any]:
    run = cached(lambda model, x: model(x), Perceptron(problem))
    x = jax.device_put(problem.inputs)
    return lambda: run(x).block_until_ready()


def step(problem: Problem) -> Callable[[], Any]:
    return trained(Perceptron(problem), problem.inputs, problem.labels)


def trained(model: Any, inputs: Any, labels: Any) -> Callable[[], Any]:
    """A training step of any classifier with logits, with Adam."""
    optimizer = nnx.Optimizer(model, optax.adam(LEARNING_RATE, eps=EPSILON), wrt=nnx.Param)
    x, y = jax.device_put((inputs, labels))

    def loss(model: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()

    def advance(model: Any, optimizer: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        value, gradients = nnx.value_and_grad(loss)(model, x, y)
        optimizer.update(model, gradients)
        return value

    run = cached(advance, model, optimizer)
    return lambda: run(x, y)


def cached(function: Callable[..., Any], *nodes: Any) -> Callable[..., Any]:
    """The compiled function, with the graphs of its first arguments traversed once."""
    compiled = nnx.jit(function, graph=True, graph_updates=True)
    with nnx.set_graph_mode(True), nnx.set_graph_updates(True):
        return nnx.cached_partial(compiled, *nodes)
