"""Opening a whole model of Keras, and predicting with it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """Dense layers, each with BatchNormalization and ReLU, in one `.keras` file.

    Attributes:
        blocks: number of Dense layers.
        units: inputs and units of each; 1120 units take 5 MB.
        batch: batch size of the prediction.
    """

    blocks: int = 100
    units: int = 1120
    batch: int = 32

    @cached_property
    def inputs(self) -> np.ndarray:
        return np.random.default_rng(1).normal(size=(self.batch, self.units)).astype("float32")

    def file(self) -> Path:
        """The path of the file, which Keras writes in another process, once."""
        path = Path(f"{self.blocks}x{self.units}.keras").absolute()
        if not path.exists():
            code = f"from benchmarks.opening.with_keras import save; save(Problem(**{asdict(self)})"
            whole = f"from benchmarks.opening import Problem; {code}, {str(path)!r})"
            settings = os.environ | {"KERAS_BACKEND": "jax"}
            subprocess.run([sys.executable, "-c", whole], check=True, env=settings)
        return path
