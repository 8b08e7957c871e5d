"""NumPy: reading the bytes of Lamina's file into memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.loading import Problem


def load(problem: Problem) -> Callable[[], Any]:
    path = problem.file("benchmarks.loading.with_lamina", problem.name("safetensors"))
    with path.open("rb") as stream:
        start = 8 + int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(start - 8))

    def kernel(data: np.ndarray, index: int) -> np.ndarray:
        begin, end = header[f"layers.{index}.kernel"]["data_offsets"]
        return data[start + begin : start + end].view("float32").reshape(problem.units, -1)

    def run() -> Any:
        data = np.fromfile(path, np.uint8)
        return problem.result(kernel(data, 0), kernel(data, problem.layers - 1))

    return run
