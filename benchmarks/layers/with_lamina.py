"""Lamina: `lamina.jit` for forward, and the jitted gradient of `apply` for backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import lamina
from benchmarks.layers import Problem, keys, made, weight
from lamina import layers


def layer_of(problem: Problem) -> Any:
    layer = made(layers, problem.entry)
    layer.build(*problem.arguments(problem.inputs))
    values = layer.values()
    drawn = {path: weight(key, values[path].shape) for path, key in _keys(values).items()}
    layer.set_values(values | drawn)
    return layer


def _keys(values: dict[str, jax.Array]) -> dict[str, str]:
    """Keys of the floating-point weights by path."""
    floating = {path: a for path, a in values.items() if jnp.issubdtype(a.dtype, jnp.floating)}
    named = [(path.rpartition(".")[2], array.shape) for path, array in floating.items()]
    return dict(zip(floating, keys(named), strict=True))


def _mode(problem: Problem) -> dict[str, Any]:
    mode: dict[str, Any] = {"training": True} if problem.entry.training else {}
    return mode | ({"rng": jax.random.key(0)} if problem.entry.random else {})


def forward(problem: Problem) -> Callable[[], Any]:
    run, mode = lamina.jit(layer_of(problem)), _mode(problem)
    first, *others = problem.arguments(map(jnp.asarray, problem.inputs))
    if others or mode:
        return lambda: run(first, *others, **mode)
    return lambda: run(first)


def both(problem: Problem) -> Callable[[], Any]:
    layer, mode = layer_of(problem), _mode(problem)
    trained, rest = layer.values(trainable=True), layer.values(trainable=False)
    key_of = _keys(layer.values())
    inputs = [jnp.asarray(x) for x in problem.inputs]

    def loss(trained: Any, floating: Any, rest: Any, inputs: Any) -> jax.Array:
        given = list(inputs)
        for index, x in zip(problem.floating, floating, strict=True):
            given[index] = x
        outputs, _ = layer.apply(rest | trained, *problem.arguments(given), **mode)
        return sum(jnp.mean(leaf**3) for leaf in jax.tree.leaves(outputs))

    @jax.jit
    def gradient(trained: Any, rest: Any, inputs: Any) -> Any:
        floating = [inputs[index] for index in problem.floating]
        value, (gradients, by_input) = jax.value_and_grad(loss, (0, 1))(
            trained, floating, rest, inputs
        )
        named = {key_of[path]: gradient for path, gradient in gradients.items()}
        return {"loss": value, "weights": named, "inputs": by_input}

    return lambda: gradient(trained, rest, inputs)
