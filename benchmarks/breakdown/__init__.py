"""Parts of a training step and of a build, each run separately.

The parts take slightly more than the whole, in which XLA fuses operations across parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks import building, translation

__all__ = ["BuildPart", "StepPart"]


@dataclass(frozen=True)
class StepPart(translation.Problem):
    """A part of the translation step, forward and backward.

    Attributes:
        part: name of the part.
    """

    part: str = "whole step"

    @cached_property
    def states(self) -> np.ndarray:
        """Decoder states: [batch, target, units]"""
        rng = np.random.default_rng(2)
        return rng.normal(size=(self.batch, self.target, self.units)).astype("float32")

    @cached_property
    def memory(self) -> tuple[np.ndarray, np.ndarray]:
        """Encoder outputs [batch, source, units] and final state [batch, units]"""
        rng = np.random.default_rng(3)
        sizes = (self.batch, self.source, self.units), (self.batch, self.units)
        values, state = (rng.normal(size=size).astype("float32") for size in sizes)
        return values, state


@dataclass(frozen=True)
class BuildPart(building.Problem):
    """A part of a build.

    Attributes:
        part: name of the part.
    """

    part: str = "whole build"
