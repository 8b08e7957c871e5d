"""Loading the weights of a model from a file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """Consecutive Dense layers with equal numbers of inputs and units, saved in a file.

    Attributes:
        layers: number of layers.
        units: units per layer; 2048 units take 16.8 MB.
    """

    layers: int = 16
    units: int = 2048

    def weights(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Kernel and bias of each layer."""
        rng = np.random.default_rng(0)
        for _ in range(self.layers):
            yield rng.random((self.units, self.units), "float32"), np.zeros(self.units, "float32")

    def result(self, first: np.ndarray, last: np.ndarray) -> dict[str, np.ndarray]:
        """The compared result: the first rows of the first and the last kernel."""
        return {"first": np.array(first[0]), "last": np.array(last[0])}

    def file(self, module: str, name: str) -> Path:
        """The path of a file, created by ``save`` of a module if it does not exist.

        It is written in another process, so that writing does not affect the measured memory.
        """
        path = Path(name).absolute()
        if not path.exists():
            code = f"from {module} import save; save(Problem(**{asdict(self)}), {str(path)!r})"
            whole = f"from benchmarks.loading import Problem; {code}"
            subprocess.run([sys.executable, "-c", whole], check=True)
        return path

    def name(self, kind: str) -> str:
        return f"{self.layers}x{self.units}.{kind}"
