"""Keras: a `Sequential` with jitted stateless functions, as in its JAX guide, and `fit`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.mlp import Problem


def model_of(problem: Problem, **options: Any) -> keras.Model:
    model = keras.Sequential(
        [
            keras.layers.Dense(problem.hidden, activation="relu"),
            keras.layers.Dense(problem.hidden, activation="relu"),
            keras.layers.Dense(problem.classes),
        ]
    )
    model.build((None, problem.features))
    for layer, (kernel, bias) in zip(model.layers, problem.weights, strict=True):
        layer.set_weights([kernel, bias])
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **options,
    )
    return model


def forward(problem: Problem) -> Callable[[], Any]:
    """The stateless call, jitted."""
    import jax  # noqa: PLC0415 - Keras may use another backend

    model, x = model_of(problem), jax.device_put(problem.inputs)
    weights = [v.value for v in model.trainable_variables]
    rest = [v.value for v in model.non_trainable_variables]
    run = jax.jit(lambda weights, rest, x: model.stateless_call(weights, rest, x)[0])
    return lambda: run(weights, rest, x).block_until_ready()


def forward_called(problem: Problem) -> Callable[[], Any]:
    """``model(x)``, which runs layer by layer."""
    model, x = model_of(problem), keras.ops.convert_to_tensor(problem.inputs)
    return lambda: model(x).block_until_ready()


def step(problem: Problem) -> Callable[[], Any]:
    """The custom training loop of Keras's JAX guide, with donated state."""
    import jax  # noqa: PLC0415 - Keras may use another backend

    model = model_of(problem)
    x, y = jax.device_put((problem.inputs, problem.labels))
    optimizer, loss = model.optimizer, model.loss
    optimizer.build(model.trainable_variables)

    def loss_of(weights: Any, rest: Any, x: Any, y: Any) -> Any:
        outputs, rest = model.stateless_call(weights, rest, x, training=True)
        return loss(y, outputs), rest

    @functools.partial(jax.jit, donate_argnums=0)
    def advance(state: Any, x: Any, y: Any) -> Any:
        weights, rest, moments = state
        grad = jax.value_and_grad(loss_of, has_aux=True)
        (value, rest), gradients = grad(weights, rest, x, y)
        weights, moments = optimizer.stateless_apply(moments, gradients, weights)
        return (weights, rest, moments), value

    kinds = model.trainable_variables, model.non_trainable_variables, optimizer.variables
    state: Any = tuple([v.value for v in kind] for kind in kinds)

    def run() -> Any:
        nonlocal state
        state, value = advance(state, x, y)
        return value

    return run


def step_on_batch(problem: Problem) -> Callable[[], Any]:
    model = model_of(problem)
    return lambda: model.train_on_batch(problem.inputs, problem.labels)


def fit(problem: Problem, **options: Any) -> Callable[[], Any]:
    model = model_of(problem, **options)

    inputs, labels = problem.inputs, problem.labels  # created before the measurement

    def run() -> Any:
        history = model.fit(
            inputs,
            labels,
            batch_size=problem.batch,
            epochs=problem.epochs,
            shuffle=False,
            verbose=0,
        )
        return history.history["loss"][-1]

    return run


def fit_many_at_once(problem: Problem) -> Callable[[], Any]:
    """Several steps per call of the compiled program."""
    return fit(problem, steps_per_execution=min(problem.batches, 32))
