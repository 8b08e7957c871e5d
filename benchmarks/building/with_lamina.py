"""Lamina: a `Sequential`, planned or built from the shape of its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from benchmarks.building import Problem
from lamina import Sequential, layers


def model_of(problem: Problem) -> Sequential:
    return Sequential([layers.Dense(problem.units) for _ in range(problem.layers)])


def build(problem: Problem) -> Callable[[], Any]:
    def run() -> Any:
        model = model_of(problem)
        model.build((None, problem.units))
        jax.block_until_ready(model.values())
        return problem.result(model.count_params())

    return run


def plan(problem: Problem) -> Callable[[], Any]:
    model = model_of(problem)
    return lambda: problem.result(model.plan((None, problem.units)).count_params())
