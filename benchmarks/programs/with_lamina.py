"""Lamina, by the names of Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.programs import Problem, runner
from lamina.compat import keras


def run(problem: Problem) -> Callable[[], Any]:
    return runner(keras, problem)
