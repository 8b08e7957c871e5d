"""Initializers that draw nothing: the same values for every seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.initializers.law import Initializer, Law, Scalar, Shape

__all__ = ["Constant", "Identity", "Ones", "Zeros"]


@dataclass(frozen=True, repr=False)
class Zeros(Initializer):
    """All 0."""

    def law(self, shape: Shape) -> Law:
        return Law("constant", value=0)


@dataclass(frozen=True, repr=False)
class Ones(Initializer):
    """All 1."""

    def law(self, shape: Shape) -> Law:
        return Law("constant", value=1)


@dataclass(frozen=True, repr=False, eq=False)
class Constant(Initializer):
    """One value everywhere, or an array that broadcasts to the weight's shape.

    >>> Constant(0.5).law((3,)).value
    0.5
    """

    value: Scalar | NDArray[Any] = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.value, bool | int | float | complex):
            array = np.array(self.value)  # a copy: the user may write into theirs
            array.setflags(write=False)
            object.__setattr__(self, "value", array if array.ndim else array.item())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and np.array_equal(self.value, other.value)

    def __hash__(self) -> int:
        return hash((Constant, np.shape(self.value)))

    def law(self, shape: Shape) -> Law:
        return Law("constant", value=self.value)


@dataclass(frozen=True, repr=False)
class Identity(Initializer):
    """`gain` on the diagonal of a matrix, 0 elsewhere."""

    gain: float = 1.0

    def law(self, shape: Shape) -> Law:
        return Law("identity", gain=float(self.gain))
