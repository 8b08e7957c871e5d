"""Training steps on several devices, which the CPU pretends to have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """Regression by equal Dense layers with a ReLU between them, trained with Adam.

    Attributes:
        kind: `data parallel` or `fully sharded`.
        devices: number of devices, the first ones of the process.
        batch: batch size, over all devices.
        layers: number of layers.
        units: inputs and units of each layer.
    """

    kind: str = "fully sharded"
    devices: int = 8
    batch: int = 256
    layers: int = 8
    units: int = 1024

    @cached_property
    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Kernel and bias of each layer."""
        rng, units = np.random.default_rng(0), self.units
        return [
            (
                (rng.normal(size=(units, units)) * np.sqrt(2 / units)).astype("float32"),
                np.zeros(units, "float32"),
            )
            for _ in range(self.layers)
        ]

    @cached_property
    def inputs(self) -> np.ndarray:
        return np.random.default_rng(1).normal(size=(self.batch, self.units)).astype("float32")

    @cached_property
    def labels(self) -> np.ndarray:
        return np.random.default_rng(2).normal(size=(self.batch, self.units)).astype("float32")
