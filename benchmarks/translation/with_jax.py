"""Raw JAX: two scans with input products outside the first one, and donated state."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.translation import Problem

OPTIMIZER = optax.adam(LEARNING_RATE, eps=EPSILON)


def gru_step(gates: jax.Array, state: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """A GRU step with reset after the product, given the input products of the gates."""
    z_x, r_x, h_x = jnp.split(gates, 3, axis=-1)
    z_h, r_h, h_h = jnp.split(state @ kernel + bias[1], 3, axis=-1)
    update, reset = jax.nn.sigmoid(z_x + z_h), jax.nn.sigmoid(r_x + r_h)
    return update * state + (1 - update) * jnp.tanh(h_x + reset * h_h)


def encode(w: Any, source: jax.Array) -> tuple[jax.Array, jax.Array]:
    embedded = w["encoder.embed.embeddings"][source]  # [batch, source, embedding]
    kernel, bias = w["encoder.forwards.recurrent_kernel"], w["encoder.forwards.bias"]
    gates = embedded @ w["encoder.forwards.kernel"] + bias[0]
    alive = (source != 0)[..., None]

    def one(state: jax.Array, at: Any) -> tuple[jax.Array, jax.Array]:
        gates, alive = at
        state = jnp.where(alive, gru_step(gates, state, kernel, bias), state)
        return state, state

    start = jnp.zeros((source.shape[0], kernel.shape[0]))
    by_time = jnp.swapaxes(gates, 0, 1), jnp.swapaxes(alive, 0, 1)
    last, values = jax.lax.scan(one, start, by_time)
    state = jnp.tanh(last @ w["encoder.bridge.kernel"] + w["encoder.bridge.bias"])
    return jnp.swapaxes(values, 0, 1), state


def decode(
    w: Any, before: jax.Array, values: jax.Array, state: jax.Array, mask: jax.Array
) -> jax.Array:
    """Decoder states ``[batch, target, units]``."""
    embedded = w["decoder.embed.embeddings"][before]
    keys = values @ w["decoder.attention.W2.kernel"] + w["decoder.attention.W2.bias"]
    kernel = jnp.concatenate([w["decoder.kernel"], w["decoder.context_kernel"]])

    def one(state: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        hidden = jnp.tanh((state @ w["decoder.attention.W1.kernel"])[:, None] + keys)
        scores = (hidden @ w["decoder.attention.V.kernel"])[..., 0]
        weights = jax.nn.softmax(jnp.where(mask, scores, -1e9))
        context = jnp.einsum("bs,bsu->bu", weights, values)
        gates = jnp.concatenate([x, context], -1) @ kernel + w["decoder.bias"][0]
        state = gru_step(gates, state, w["decoder.recurrent_kernel"], w["decoder.bias"])
        return state, state

    _, states = jax.lax.scan(one, state, jnp.swapaxes(embedded, 0, 1))
    return jnp.swapaxes(states, 0, 1)


def loss_of_states(w: Any, states: jax.Array, labels: jax.Array) -> jax.Array:
    logits = states @ w["decoder.output.kernel"] + w["decoder.output.bias"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def loss(w: Any, source: jax.Array, before: jax.Array, labels: jax.Array) -> jax.Array:
    values, state = encode(w, source)
    return loss_of_states(w, decode(w, before, values, state, source != 0), labels)


def step(problem: Problem) -> Callable[[], Any]:
    weights, rows = jax.device_put((problem.weights, problem.rows))
    state = OPTIMIZER.init(weights)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def advance(weights: Any, state: Any, rows: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(weights, *rows)
        updates, state = OPTIMIZER.update(gradients, state)
        return optax.apply_updates(weights, updates), state, value

    def run() -> Any:
        nonlocal weights, state
        weights, state, value = advance(weights, state, rows)
        return value

    return run


def first_step(problem: Problem) -> Callable[[], Any]:
    return lambda: step(problem)()
