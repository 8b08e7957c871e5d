"""Raw JAX: functions of a dict of arrays, and optax."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.decoder import NORM_EPSILON, Problem


def weights_of(problem: Problem) -> dict[str, jax.Array]:
    kernels = {name: jnp.asarray(array) for name, array in problem.weights.items()}
    dense = [name for name in kernels if "." in name]
    biases = {f"{name}.bias": jnp.zeros(kernels[name].shape[1]) for name in dense}
    norms = [f"{block}.{name}" for block in range(problem.blocks) for name in ("first", "second")]
    scales = {f"{name}.scale": jnp.ones(problem.features) for name in [*norms, "last"]}
    shifts = {f"{name}.shift": jnp.zeros(problem.features) for name in [*norms, "last"]}
    return kernels | biases | scales | shifts


def logits(weights: dict[str, jax.Array], ids: jax.Array, heads: int, blocks: int) -> jax.Array:
    batch, time = ids.shape

    def norm(x: jax.Array, name: str) -> jax.Array:
        centered = x - x.mean(-1, keepdims=True)
        variance = jnp.square(centered).mean(-1, keepdims=True)
        scale, shift = weights[f"{name}.scale"], weights[f"{name}.shift"]
        return centered * jax.lax.rsqrt(variance + NORM_EPSILON) * scale + shift

    def dense(x: jax.Array, name: str) -> jax.Array:
        return x @ weights[name] + weights[f"{name}.bias"]

    x = weights["tokens"][ids] + weights["places"][:time]
    for block in range(blocks):
        y = norm(x, f"{block}.first")
        query, key, value = (
            dense(y, f"{block}.{name}").reshape(batch, time, heads, -1)
            for name in ("query", "key", "value")
        )
        found = jax.nn.dot_product_attention(query, key, value, is_causal=True)
        x = x + dense(found.reshape(x.shape), f"{block}.output")
        wide = jax.nn.gelu(dense(norm(x, f"{block}.second"), f"{block}.up"), approximate=False)
        x = x + dense(wide, f"{block}.down")
    return norm(x, "last") @ weights["logits"]


def forward(problem: Problem) -> Callable[[], Any]:
    run = jax.jit(functools.partial(logits, heads=problem.heads, blocks=problem.blocks))
    weights, ids = weights_of(problem), jnp.asarray(problem.ids[:, :-1])
    return lambda: run(weights, ids).block_until_ready()


def step(problem: Problem) -> Callable[[], Any]:
    optimizer = optax.adam(LEARNING_RATE, eps=EPSILON)
    ids = jnp.asarray(problem.ids)
    weights = weights_of(problem)

    def loss_of(weights: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        found = logits(weights, x, problem.heads, problem.blocks)
        return optax.softmax_cross_entropy_with_integer_labels(found, y).mean()

    @functools.partial(jax.jit, donate_argnums=0)
    def advance(state: Any, x: jax.Array, y: jax.Array) -> Any:
        weights, moments = state
        value, gradients = jax.value_and_grad(loss_of)(weights, x, y)
        updates, moments = optimizer.update(gradients, moments)
        return (optax.apply_updates(weights, updates), moments), value

    state: Any = weights, optimizer.init(weights)

    def run() -> Any:
        nonlocal state
        state, value = advance(state, ids[:, :-1], ids[:, 1:])
        return value

    return run
