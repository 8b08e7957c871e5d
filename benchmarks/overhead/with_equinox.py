"""Equinox: a `Sequential` and `eqx.filter_jit`, with a donated model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from benchmarks.overhead import LEARNING_RATE, UNITS, Problem


def model_of(problem: Problem) -> eqx.nn.Sequential:
    key = jax.random.key(0)
    parts = [eqx.nn.Linear(UNITS, UNITS, use_bias=False, key=key) for _ in problem.weights]
    return eqx.tree_at(
        lambda model: [part.weight for part in model.layers],
        eqx.nn.Sequential(parts),
        [jnp.asarray(kernel.T) for kernel in problem.weights],
    )


def step(problem: Problem) -> Callable[[], Any]:
    model = model_of(problem)
    x, y = jax.device_put((problem.inputs, problem.labels))
    optimizer = optax.sgd(LEARNING_RATE)
    state = optimizer.init(eqx.filter(model, eqx.is_array))

    def loss(model: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.mean((jax.vmap(model)(x) - y) ** 2)

    @eqx.filter_jit(donate="all-except-first")
    def advance(batch: Any, model: Any, state: Any) -> Any:
        value, gradients = eqx.filter_value_and_grad(loss)(model, *batch)
        updates, state = optimizer.update(gradients, state)
        return eqx.apply_updates(model, updates), state, value

    def run() -> Any:
        nonlocal model, state
        model, state, value = advance((x, y), model, state)
        return value

    return run
