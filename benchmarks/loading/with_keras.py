"""Keras: build, then `load_weights` from a file of Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import keras
import numpy as np

from benchmarks.loading import Problem


def model_of(problem: Problem) -> keras.Model:
    model = keras.Sequential([keras.layers.Dense(problem.units) for _ in range(problem.layers)])
    model.build((None, problem.units))
    return model


def save(problem: Problem, path: str) -> None:
    model = model_of(problem)
    for layer, weights in zip(model.layers, problem.weights(), strict=True):
        layer.set_weights(weights)
    model.save_weights(path)


def load(problem: Problem) -> Callable[[], Any]:
    path = problem.file(__name__, problem.name("weights.h5"))
    jax.devices()

    def run() -> Any:
        model = model_of(problem)
        model.load_weights(path)
        jax.block_until_ready([variable.value for variable in model.weights])
        ends = model.layers[0].kernel.value, model.layers[-1].kernel.value
        return problem.result(*map(np.asarray, ends))

    return run
