"""Lamina: a `Sequential`; `lamina.jit`, `Trainer` and `fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax

import lamina
from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.mlp import Problem
from lamina import Sequential, Trainer, layers, losses

ADAM = optax.adam(LEARNING_RATE, eps=EPSILON)


def model_of(problem: Problem) -> Sequential:
    model = Sequential(
        [
            layers.Dense(problem.hidden, activation="relu"),
            layers.Dense(problem.hidden, activation="relu"),
            layers.Dense(problem.classes),
        ]
    )
    model.build((None, problem.features))
    values = {}
    for index, (kernel, bias) in enumerate(problem.weights):
        values |= {f"layers.{index}.kernel": kernel, f"layers.{index}.bias": bias}
    model.set_values(values)
    return model


def forward(problem: Problem) -> Callable[[], Any]:
    model, x = lamina.jit(model_of(problem)), jnp.asarray(problem.inputs)
    return lambda: model(x).block_until_ready()


def step(problem: Problem) -> Callable[[], Any]:
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    trainer = Trainer(model_of(problem), ADAM, loss)
    batch = jnp.asarray(problem.inputs), jnp.asarray(problem.labels)
    return lambda: trainer.step(batch)["loss"]


def fit(problem: Problem) -> Callable[[], Any]:
    model = model_of(problem)
    model.compile(ADAM, losses.SparseCategoricalCrossentropy(from_logits=True))
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
