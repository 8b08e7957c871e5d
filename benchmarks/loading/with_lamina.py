"""Lamina: `load_weights` from a safetensors file, into an unbuilt or a built model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks.loading import Problem
from lamina import Sequential, layers


def model_of(problem: Problem) -> Sequential:
    return Sequential([layers.Dense(problem.units) for _ in range(problem.layers)])


def save(problem: Problem, path: str) -> None:
    model = model_of(problem)
    model.build((None, problem.units))
    values = {}
    for index, (kernel, bias) in enumerate(problem.weights()):
        values |= {f"layers.{index}.kernel": kernel, f"layers.{index}.bias": bias}
    model.set_values(values)
    model.save_weights(path)


def load(problem: Problem, build: bool = False) -> Callable[[], Any]:
    path = problem.file(__name__, problem.name("safetensors"))
    jax.devices()  # initialize the device before reading

    def run() -> Any:
        model = model_of(problem)
        if build:
            model.build((None, problem.units))
        model.load_weights(path)
        values = jax.block_until_ready(model.values())
        ends = (values[f"layers.{index}.kernel"] for index in (0, problem.layers - 1))
        return problem.result(*map(np.asarray, ends))

    return run


def build_and_load(problem: Problem) -> Callable[[], Any]:
    return load(problem, build=True)
