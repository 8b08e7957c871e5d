"""PyTorch: layers are created with their input sizes and initialized immediately."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from benchmarks.building import Problem


def build(problem: Problem) -> Callable[[], Any]:
    def run() -> Any:
        units = problem.units
        model = nn.Sequential(*[nn.Linear(units, units) for _ in range(problem.layers)])
        return problem.result(sum(parameter.numel() for parameter in model.parameters()))

    return run
