"""Making a model of many Dense layers and their weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["PerLayer", "Problem"]


@dataclass(frozen=True)
class Problem:
    """A row of Dense layers, each with as many units as it has inputs.

    Attributes:
        layers: how many.
        units: of each.
    """

    layers: int = 100
    units: int = 64

    def result(self, count: int) -> dict[str, np.ndarray]:
        """What has to agree: values are random, but their number is not."""
        return {"weights": np.asarray(count)}


class PerLayer(Problem):
    """The same, timed by the layer: what is linear in depth stays the same."""

    @property
    def parts(self) -> int:
        return self.layers
