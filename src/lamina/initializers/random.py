"""Initializers that draw random numbers."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar, cast

from lamina.initializers.distribution import Distribution, Initializer, Shape, fans, refuse

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "with_axes",
]

T = TypeVar("T")

_TRUNCATED_STDDEV = 0.87962566103423978  # of a standard normal cut off at two, which has less
_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("uniform", "truncated_normal", "untruncated_normal")


class _Seeded(Initializer):
    """Its draw can be fixed by a seed of its own."""

    def __post_init__(self) -> None:
        if self.seed is None:
            return
        try:
            object.__setattr__(self, "seed", operator.index(self.seed))
        except TypeError:
            raise refuse(self, "a bad seed", "an int, or None", self.seed) from None


class _Fanned(_Seeded):
    """Its law depends on the weight's fans, which axes may be given for."""

    input_axes: tuple[int, ...] | None = None
    output_axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("input_axes", "output_axes"):  # a list comes from JSON
            axes = cast("Sequence[int] | None", getattr(self, name))
            if axes is not None:
                object.__setattr__(self, name, tuple(axes))


@dataclass(frozen=True, repr=False)
class RandomUniform(_Seeded):
    """Uniform from `minval` to `maxval`."""

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | None = None

    def distribution_for(self, shape: Shape) -> Distribution:
        return Distribution("uniform", low=float(self.minval), high=float(self.maxval))


@dataclass(frozen=True, repr=False)
class RandomNormal(_Seeded):
    """Normal of that mean and standard deviation."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def distribution_for(self, shape: Shape) -> Distribution:
        return Distribution("normal", mean=float(self.mean), stddev=float(self.stddev))


@dataclass(frozen=True, repr=False)
class TruncatedNormal(_Seeded):
    """Normal, cut off two `stddev` (of the whole normal) from the mean."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def distribution_for(self, shape: Shape) -> Distribution:
        return Distribution("truncated_normal", mean=float(self.mean), stddev=float(self.stddev))


@dataclass(frozen=True, repr=False)
class VarianceScaling(_Fanned):
    """Variance `scale / n`, where n counts inputs, outputs or their average.

    `untruncated_normal` has stddev ``sqrt(scale / n)``, `truncated_normal` that after the cut;
    `uniform` lies within ``sqrt(3 scale / n)`` of 0. Source: Glorot and Bengio (2010); He et al.
    (2015), "Delving deep into rectifiers".

    >>> VarianceScaling(2.0, "fan_in", "uniform").distribution_for((6, 4)).high
    1.0
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    seed: int | None = None
    input_axes: tuple[int, ...] | None = None
    output_axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        lowered = str(self.distribution).lower()
        plain = "truncated_normal" if lowered == "normal" else lowered  # Keras's name for it
        object.__setattr__(self, "distribution", plain)
        if not self.scale > 0:
            raise refuse(self, "a bad scale", "a number above 0", self.scale)
        if self.mode not in _MODES:
            raise refuse(self, "an unknown mode", ", ".join(_MODES), self.mode)
        if plain not in _DISTRIBUTIONS:
            raise refuse(self, "an unknown distribution", ", ".join(_DISTRIBUTIONS), plain)

    def distribution_for(self, shape: Shape) -> Distribution:
        return self.with_fans(*fans(shape, self.input_axes, self.output_axes))

    def with_fans(self, inputs: int, outputs: int) -> Distribution:
        """The law for a weight of so many inputs and outputs of a unit."""
        count = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[self.mode]
        variance = self.scale / max(1.0, count)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return Distribution("uniform", low=-limit, high=limit)
        if self.distribution == "untruncated_normal":
            return Distribution("normal", stddev=math.sqrt(variance))
        return Distribution("truncated_normal", stddev=math.sqrt(variance) / _TRUNCATED_STDDEV)


@dataclass(frozen=True, repr=False)
class _Scaled(_Fanned):
    """A VarianceScaling under a name of its own."""

    scaling: ClassVar[VarianceScaling]

    seed: int | None = None
    input_axes: tuple[int, ...] | None = None
    output_axes: tuple[int, ...] | None = None

    def distribution_for(self, shape: Shape) -> Distribution:
        return self.scaling.with_fans(*fans(shape, self.input_axes, self.output_axes))


class GlorotUniform(_Scaled):
    """Uniform within ``sqrt(6 / (fan_in + fan_out))`` of 0 (Glorot and Bengio, 2010)."""

    scaling = VarianceScaling(1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Truncated normal of stddev ``sqrt(2 / (fan_in + fan_out))`` (Glorot and Bengio, 2010)."""

    scaling = VarianceScaling(1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform within ``sqrt(6 / fan_in)`` of 0 (He et al., 2015)."""

    scaling = VarianceScaling(2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal of stddev ``sqrt(2 / fan_in)`` (He et al., 2015)."""

    scaling = VarianceScaling(2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform within ``sqrt(3 / fan_in)`` of 0 (LeCun et al., 1998, "Efficient backprop")."""

    scaling = VarianceScaling(1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal of stddev ``sqrt(1 / fan_in)`` (LeCun et al., 1998)."""

    scaling = VarianceScaling(1.0, "fan_in", "truncated_normal")


@dataclass(frozen=True, repr=False)
class Orthogonal(_Seeded):
    """`gain` times an orthogonal matrix; all axes but the last count as one.

    Source: Saxe et al. (2014), "Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks".
    """

    gain: float = 1.0
    seed: int | None = None

    def distribution_for(self, shape: Shape) -> Distribution:
        return Distribution("orthogonal", gain=float(self.gain))


def with_axes(
    initializer: T, input_axes: Sequence[int], output_axes: Sequence[int]
) -> T | Initializer:
    """The initializer, told which axes of a weight are inputs and outputs if it asks for them.

    Only one whose law depends on the fans does, and only if it was given no axes of its own.

    >>> with_axes(GlorotUniform(), (0,), (1, 2))
    GlorotUniform(input_axes=(0,), output_axes=(1, 2))
    """
    if not isinstance(initializer, VarianceScaling | _Scaled):
        return initializer
    if initializer.input_axes is not None and initializer.output_axes is not None:
        return initializer
    return replace(initializer, input_axes=tuple(input_axes), output_axes=tuple(output_axes))
