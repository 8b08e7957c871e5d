"""Raw JAX: donated parameters in a dict."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks.overhead import LEARNING_RATE, Problem


def step(problem: Problem) -> Callable[[], Any]:
    params = {f"{index:05}": jnp.asarray(w) for index, w in enumerate(problem.weights)}
    x, y = jax.device_put((problem.inputs, problem.labels))
    optimizer = optax.sgd(LEARNING_RATE)
    state = optimizer.init(params)

    def loss(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        for w in params.values():
            x = x @ w
        return jnp.mean((x - y) ** 2)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def advance(params: Any, state: Any, x: jax.Array, y: jax.Array) -> Any:
        value, gradients = jax.value_and_grad(loss)(params, x, y)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(params, updates), state, value

    def run() -> Any:
        nonlocal params, state
        params, state, value = advance(params, state, x, y)
        return value

    return run
