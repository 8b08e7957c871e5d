"""Equinox: `eqx.filter_jit`; training donates the model and the optimizer state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.mlp import Problem


def model_of(problem: Problem) -> eqx.nn.MLP:
    sizes = problem.features, problem.classes, problem.hidden
    model = eqx.nn.MLP(*sizes, depth=2, key=jax.random.key(0))
    arrays = [jnp.asarray(a) for kernel, bias in problem.weights for a in (kernel.T, bias)]
    return eqx.tree_at(
        lambda model: [a for layer in model.layers for a in (layer.weight, layer.bias)],
        model,
        arrays,
    )


def forward(problem: Problem) -> Callable[[], Any]:
    model, x = model_of(problem), jnp.asarray(problem.inputs)
    run = eqx.filter_jit(lambda model, x: jax.vmap(model)(x))
    return lambda: run(model, x).block_until_ready()


def step(problem: Problem) -> Callable[[], Any]:
    model = model_of(problem)
    x, y = jnp.asarray(problem.inputs), jnp.asarray(problem.labels)
    optimizer = optax.adam(LEARNING_RATE, eps=EPSILON)
    state = optimizer.init(eqx.filter(model, eqx.is_array))

    def loss(model: eqx.nn.MLP, x: jax.Array, y: jax.Array) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(jax.vmap(model)(x), y).mean()

    @eqx.filter_jit(donate="all-except-first")
    def advance(batch: Any, model: eqx.nn.MLP, state: Any) -> Any:
        value, gradients = eqx.filter_value_and_grad(loss)(model, *batch)
        updates, state = optimizer.update(gradients, state)
        return eqx.apply_updates(model, updates), state, value

    def run() -> Any:
        nonlocal model, state
        model, state, value = advance((x, y), model, state)
        return value

    return run
