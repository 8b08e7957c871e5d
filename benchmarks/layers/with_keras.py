"""Keras: the jitted stateless call of a layer, and its gradient in JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
from keras import layers

from benchmarks.layers import Problem, keys, made, weight


def layer_of(problem: Problem) -> Any:
    layer = made(layers, problem.entry)
    symbols = [keras.Input(batch_shape=x.shape, dtype=str(x.dtype)) for x in problem.inputs]
    layer(*problem.arguments(symbols))
    variables = [v for v in _ordered(layer) if "float" in str(v.dtype)]
    for variable, key in zip(variables, _keys(variables), strict=True):
        variable.assign(weight(key, variable.shape))
    if hasattr(layer, "finalize_state"):  # copies its state
        layer.finalize_state()
    return layer


def _ordered(layer: Any) -> list[Any]:
    return layer.trainable_variables + layer.non_trainable_variables


def _keys(variables: list[Any]) -> list[str]:
    return keys((variable.name, variable.shape) for variable in variables)


def _called(problem: Problem, layer: Any) -> Callable[..., Any]:
    """A pure function of weights and inputs that returns outputs and new state."""
    mode = {"training": True} if problem.entry.training else {}

    def call(trained: Any, rest: Any, inputs: Any) -> Any:
        return layer.stateless_call(trained, rest, *problem.arguments(inputs), **mode)

    return call


def _state(layer: Any) -> tuple[list[Any], list[Any]]:
    kinds = layer.trainable_variables, layer.non_trainable_variables
    return tuple([variable.value for variable in kind] for kind in kinds)


def forward(problem: Problem) -> Callable[[], Any]:
    layer = layer_of(problem)
    run, (trained, rest) = jax.jit(_called(problem, layer)), _state(layer)
    inputs = [jnp.asarray(x) for x in problem.inputs]
    return lambda: run(trained, rest, inputs)[0]


def both(problem: Problem) -> Callable[[], Any]:
    layer = layer_of(problem)
    call, (trained, rest) = _called(problem, layer), _state(layer)
    names = _keys(layer.trainable_variables)
    inputs = [jnp.asarray(x) for x in problem.inputs]

    def loss(trained: Any, floating: Any, rest: Any, inputs: Any) -> jax.Array:
        given = list(inputs)
        for index, x in zip(problem.floating, floating, strict=True):
            given[index] = x
        outputs, _ = call(trained, rest, given)
        return sum(jnp.mean(leaf**3) for leaf in jax.tree.leaves(outputs))

    @jax.jit
    def gradient(trained: Any, rest: Any, inputs: Any) -> Any:
        floating = [inputs[index] for index in problem.floating]
        value, (gradients, by_input) = jax.value_and_grad(loss, (0, 1))(
            trained, floating, rest, inputs
        )
        named = dict(zip(names, gradients, strict=True))
        return {"loss": value, "weights": named, "inputs": by_input}

    return lambda: gradient(trained, rest, inputs)
