"""Lamina: `lamina.load` and `predict_on_batch`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import lamina
from benchmarks.opening import Problem


def open_file(problem: Problem) -> Callable[[], Any]:
    path = problem.file()
    jax.devices()

    def run() -> Any:
        model = lamina.load(path)
        jax.block_until_ready(model.values())
        return {"last": np.asarray(model.layers[-3].kernel.value)[0]}

    return run


def predict(problem: Problem) -> Callable[[], Any]:
    model = lamina.load(problem.file())
    return lambda: {"y": np.asarray(model.predict_on_batch(problem.inputs))}
