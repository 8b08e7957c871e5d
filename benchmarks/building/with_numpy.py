"""NumPy: allocating and filling arrays of the same sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.building import Problem


def build(problem: Problem) -> Callable[[], Any]:
    def run() -> Any:
        units = problem.units
        arrays = [np.ones((units + 1, units), "float32") for _ in range(problem.layers)]
        return problem.result(sum(array.size for array in arrays))

    return run
