"""Flax NNX: modules in a list, and `nnx.jit` with `nnx.cached_partial`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from benchmarks.overhead import LEARNING_RATE, UNITS, Problem


class Row(nnx.Module):
    def __init__(self, weights: Any) -> None:
        rngs = nnx.Rngs(0)
        parts = [nnx.Linear(UNITS, UNITS, use_bias=False, rngs=rngs) for _ in weights]
        for part, kernel in zip(parts, weights, strict=True):
            part.kernel[...] = kernel
        self.parts = nnx.List(parts)

    def __call__(self, x: jax.Array) -> jax.Array:
        for part in self.parts:
            x = part(x)
        return x


def step(problem: Problem) -> Callable[[], Any]:
    model = Row(problem.weights)
    optimizer = nnx.Optimizer(model, optax.sgd(LEARNING_RATE), wrt=nnx.Param)
    x, y = jax.device_put((problem.inputs, problem.labels))

    def loss(model: Row, x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.mean((model(x) - y) ** 2)

    @nnx.jit(graph=True, graph_updates=True)
    def advance(model: Row, optimizer: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        value, gradients = nnx.value_and_grad(loss)(model, x, y)
        optimizer.update(model, gradients)
        return value

    with nnx.set_graph_mode(True), nnx.set_graph_updates(True):
        run = nnx.cached_partial(advance, model, optimizer)
    return lambda: run(x, y)
