"""Keras: layers in a list and jitted stateless functions, as in its JAX guide."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import keras

from benchmarks.overhead import LEARNING_RATE, UNITS, Problem


class Total(keras.Model):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.parts = [keras.layers.Dense(UNITS, use_bias=False) for _ in range(count)]

    def call(self, inputs: Any) -> Any:
        for part in self.parts:
            inputs = part(inputs)
        return inputs


def step(problem: Problem) -> Callable[[], Any]:
    model = Total(problem.variables)
    x, y = jax.device_put((problem.inputs, problem.labels))
    model(keras.Input(batch_shape=x.shape))
    model.set_weights(list(problem.weights))
    optimizer, loss = keras.optimizers.SGD(LEARNING_RATE), keras.losses.MeanSquaredError()
    optimizer.build(model.trainable_variables)

    def loss_of(weights: Any, x: Any, y: Any) -> Any:
        outputs, _ = model.stateless_call(weights, [], x)
        return loss(y, outputs)

    @functools.partial(jax.jit, donate_argnums=0)
    def advance(state: Any, x: Any, y: Any) -> Any:
        weights, kept = state
        value, gradients = jax.value_and_grad(loss_of)(weights, x, y)
        weights, kept = optimizer.stateless_apply(kept, gradients, weights)
        return (weights, kept), value

    state: Any = tuple(
        [v.value for v in kind] for kind in (model.trainable_variables, optimizer.variables)
    )

    def run() -> Any:
        nonlocal state
        state, value = advance(state, x, y)
        return value

    return run
