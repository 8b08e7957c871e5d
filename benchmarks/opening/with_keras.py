"""Keras: `load_model` and `predict_on_batch`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import keras
import numpy as np

from benchmarks.opening import Problem


def save(problem: Problem, path: str) -> None:
    rng = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((problem.units,))])
    for _ in range(problem.blocks):
        model.add(keras.layers.Dense(problem.units, kernel_initializer="zeros"))
        model.add(keras.layers.BatchNormalization())
        model.add(keras.layers.ReLU())
        scale = np.sqrt(2 / problem.units)
        kernel = (rng.normal(size=(problem.units, problem.units)) * scale).astype("float32")
        model.layers[-3].kernel.assign(kernel)
    model.save(path)


def open_file(problem: Problem) -> Callable[[], Any]:
    path = problem.file()
    jax.devices()

    def run() -> Any:
        model = keras.models.load_model(path)
        jax.block_until_ready([variable.value for variable in model.weights])
        return {"last": np.asarray(model.layers[-3].kernel.value)[0]}

    return run


def predict(problem: Problem) -> Callable[[], Any]:
    model = keras.models.load_model(problem.file())
    return lambda: {"y": np.asarray(model.predict_on_batch(problem.inputs))}
