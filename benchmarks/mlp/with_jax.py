"""Raw JAX: parameters in a list, jitted functions, donated parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.mlp import Problem

OPTIMIZER = optax.adam(LEARNING_RATE, eps=EPSILON)


def logits(params: Any, x: jax.Array) -> jax.Array:
    for kernel, bias in params[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    kernel, bias = params[-1]
    return x @ kernel + bias


def loss(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    losses = optax.softmax_cross_entropy_with_integer_labels(logits(params, x), y)
    return losses.mean()


def update(params: Any, state: Any, x: jax.Array, y: jax.Array) -> tuple[Any, Any, jax.Array]:
    value, gradients = jax.value_and_grad(loss)(params, x, y)
    updates, state = OPTIMIZER.update(gradients, state)
    return optax.apply_updates(params, updates), state, value


def forward(problem: Problem) -> Callable[[], Any]:
    params, x = jax.device_put((problem.weights, problem.inputs))
    run = jax.jit(logits)
    return lambda: run(params, x).block_until_ready()


def step(problem: Problem) -> Callable[[], Any]:
    params, x, y = jax.device_put((problem.weights, problem.inputs, problem.labels))
    state = OPTIMIZER.init(params)
    advance = jax.jit(update, donate_argnums=(0, 1))

    def run() -> Any:
        nonlocal params, state
        params, state, value = advance(params, state, x, y)
        return value

    return run


def fit(problem: Problem) -> Callable[[], Any]:
    """A common training loop over batches."""
    params = jax.device_put(problem.weights)
    state = OPTIMIZER.init(params)
    advance = jax.jit(update, donate_argnums=(0, 1))
    x = np.split(problem.inputs, problem.batches)
    y = np.split(problem.labels, problem.batches)

    def run() -> Any:
        nonlocal params, state
        for _ in range(problem.epochs):
            losses = []
            for inputs, labels in zip(x, y, strict=True):
                params, state, value = advance(params, state, inputs, labels)
                losses.append(value)
        return np.mean(jax.device_get(losses))

    return run


def fit_by_scan(problem: Problem) -> Callable[[], Any]:
    """An epoch as one program, the fastest way in raw JAX."""
    params = jax.device_put(problem.weights)
    state = OPTIMIZER.init(params)
    x, y = jax.device_put((problem.inputs, problem.labels))
    x = x.reshape(problem.batches, problem.batch, -1)
    y = y.reshape(problem.batches, problem.batch)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def epoch(params: Any, state: Any, x: jax.Array, y: jax.Array) -> Any:
        def one(carry: Any, batch: Any) -> Any:
            *carry, value = update(*carry, *batch)
            return tuple(carry), value

        (params, state), losses = jax.lax.scan(one, (params, state), (x, y))
        return params, state, jnp.mean(losses)

    def run() -> Any:
        nonlocal params, state
        for _ in range(problem.epochs):
            params, state, value = epoch(params, state, x, y)
        return value

    return run
