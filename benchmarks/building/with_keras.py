"""Keras: a `Sequential`, built from the shape of its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import keras

from benchmarks.building import Problem


def build(problem: Problem) -> Callable[[], Any]:
    def run() -> Any:
        model = keras.Sequential([keras.layers.Dense(problem.units) for _ in range(problem.layers)])
        model.build((None, problem.units))
        jax.block_until_ready([variable.value for variable in model.weights])
        return problem.result(model.count_params())

    return run
