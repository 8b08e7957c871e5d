"""Raw JAX: `jax.jit` with the shardings of parameters, optimizer state and batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.placement import Problem


def step(problem: Problem, gathers: bool = True) -> Callable[[], Any]:
    """Train; if `gathers`, the program says where fully sharded parameters are gathered."""
    mesh = Mesh(np.array(jax.devices()[: problem.devices]), ("data",))
    whole, split = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), ("data",)))
    stored = split if problem.kind == "fully sharded" else whole
    params = jax.device_put(problem.weights, stored)
    optimizer = optax.adam(LEARNING_RATE, eps=EPSILON)
    state = jax.tree.map(
        lambda leaf: jax.device_put(leaf, stored if leaf.ndim else whole), optimizer.init(params)
    )
    shardings = jax.tree.map(lambda leaf: leaf.sharding, (params, state))

    def loss(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        if gathers:
            params = jax.lax.with_sharding_constraint(params, whole)
        for kernel, bias in params[:-1]:
            x = jax.nn.relu(x @ kernel + bias)
        kernel, bias = params[-1]
        return jnp.mean((x @ kernel + bias - y) ** 2)

    @functools.partial(jax.jit, donate_argnums=(0, 1), out_shardings=(*shardings, whole))
    def advance(params: Any, state: Any, x: jax.Array, y: jax.Array) -> Any:
        value, gradients = jax.value_and_grad(loss)(params, x, y)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(params, updates), state, value

    def run() -> Any:
        nonlocal params, state
        x, y = jax.device_put((problem.inputs, problem.labels), split)
        params, state, value = advance(params, state, x, y)
        return value.block_until_ready()  # programs of many steps at once would wait for each other

    return run


def step_by_xla(problem: Problem) -> Callable[[], Any]:
    return step(problem, gathers=False)
