"""A step and a build of Lamina's taken apart, each part run by itself.

Parts by themselves come to a little more than the whole, in which XLA joins what it can.
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
        part: its name.
    """

    part: str = "whole step"

    @cached_property
    def states(self) -> np.ndarray:
        """What the decoder came to: [batch, target, units]"""
        rng = np.random.default_rng(2)
        return rng.normal(size=(self.batch, self.target, self.units)).astype("float32")

    @cached_property
    def memory(self) -> tuple[np.ndarray, np.ndarray]:
        """What the encoder came to: [batch, source, units] and [batch, units]"""
        rng = np.random.default_rng(3)
        sizes = (self.batch, self.source, self.units), (self.batch, self.units)
        values, state = (rng.normal(size=size).astype("float32") for size in sizes)
        return values, state


@dataclass(frozen=True)
class BuildPart(building.Problem):
    """A part of a build.

    Attributes:
        part: its name.
    """

    part: str = "whole build"
