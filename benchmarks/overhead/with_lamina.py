"""Lamina: a `Sequential` and `Trainer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax

from benchmarks.overhead import LEARNING_RATE, UNITS, Problem
from lamina import Sequential, Trainer, layers


def step(problem: Problem) -> Callable[[], Any]:
    model = Sequential([layers.Dense(UNITS, use_bias=False) for _ in range(problem.variables)])
    x, y = jnp.asarray(problem.inputs), jnp.asarray(problem.labels)
    model.build(x)
    model.set_values({f"layers.{i}.kernel": w for i, w in enumerate(problem.weights)})
    trainer = Trainer(model, optax.sgd(LEARNING_RATE), "mse")
    return lambda: trainer.step((x, y))["loss"]
