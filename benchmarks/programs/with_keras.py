"""Keras on JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from benchmarks.programs import Problem, runner


def run(problem: Problem) -> Callable[[], Any]:
    return runner(keras, problem)
