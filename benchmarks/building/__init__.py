"""Creating a model of many Dense layers and its weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["PerLayer", "Problem"]


@dataclass(frozen=True)
class Problem:
    """Consecutive Dense layers with equal numbers of inputs and units.

    Attributes:
        layers: number of layers.
        units: units per layer.
    """

    layers: int = 100
    units: int = 64

    def result(self, count: int) -> dict[str, np.ndarray]:
        """The compared result: the number of weights. Their values are random."""
        return {"weights": np.asarray(count)}


class PerLayer(Problem):
    """The same, with the time divided by the number of layers."""

    @property
    def parts(self) -> int:
        return self.layers
