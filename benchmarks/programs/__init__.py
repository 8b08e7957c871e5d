"""Five programs for Keras on JAX, run by Keras itself and by `lamina.compat.keras`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Problem", "runner"]


@dataclass(frozen=True)
class Problem:
    """One program and its sizes.

    Attributes:
        program: name of a module of `benchmarks.programs`.
        batches: batches per epoch.
        batch: batch size.
    """

    program: str
    batches: int = 10
    batch: int = 32

    @property
    def parts(self) -> int:
        """Steps per run."""
        return self.batches


def runner(keras: Any, problem: Problem) -> Callable[[], Any]:
    """A run is one epoch. The first one also makes the model and compiles its step."""
    program = importlib.import_module(f"benchmarks.programs.{problem.program}")
    data = program.data(problem)
    epochs: list[Callable[[], Any]] = []

    def run() -> Any:
        if not epochs:
            keras.utils.set_random_seed(0)
            epochs.append(program.training(keras, problem, data))
        return epochs[0]()

    return run
