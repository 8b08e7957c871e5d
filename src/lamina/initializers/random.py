"""Initializers of random values whose distribution does not depend on the shape."""

from __future__ import annotations

import operator
from dataclasses import dataclass

from lamina.initializers.distribution import Distribution, Initializer, Shape, refuse

__all__ = ["Orthogonal", "RandomNormal", "RandomUniform", "Seeded", "TruncatedNormal"]


class Seeded(Initializer):
    """The base class of initializers with a seed argument."""

    def __post_init__(self) -> None:
        if self.seed is None:
            return
        try:
            object.__setattr__(self, "seed", operator.index(self.seed))
        except TypeError:
            raise refuse(self, "an invalid seed", "an int, or None", self.seed) from None


@dataclass(frozen=True, repr=False)
class RandomUniform(Seeded):
    """Uniform values in [``minval``, ``maxval``).

    Args:
        minval: the lower bound, a float; -0.05 by default.
        maxval: the upper bound, a float; 0.05 by default.
        seed: an int that fixes the values; None (default) for values that depend on the weight's
            path and on the seed of the build.

    Raises:
        InputError: the seed is not an int.

    >>> RandomUniform(-1.0, 1.0).distribution_for((2, 3)).kind
    'uniform'
    """

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | None = None

    def distribution_for(self, shape: Shape) -> Distribution:
        return Distribution("uniform", low=float(self.minval), high=float(self.maxval))


@dataclass(frozen=True, repr=False)
class RandomNormal(Seeded):
    """Normal values: ``w = mean + stddev z``, with z from a standard normal distribution.

    Args:
        mean: the mean, a float; 0.0 by default.
        stddev: the standard deviation, a non-negative float; 0.05 by default.
        seed: an int that fixes the values; None (default) for values that depend on the weight's
            path and on the seed of the build.

    Raises:
        InputError: the seed is not an int.

    >>> RandomNormal(stddev=0.02).distribution_for((2, 3)).stddev
    0.02
    """

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def distribution_for(self, shape: Shape) -> Distribution:
        return Distribution("normal", mean=float(self.mean), stddev=float(self.stddev))


@dataclass(frozen=True, repr=False)
class TruncatedNormal(Seeded):
    """Normal values within two standard deviations of the mean: ``w = mean + stddev z``.

    z is from a standard normal distribution truncated to [-2, 2].

    Args:
        mean: the mean, a float; 0.0 by default.
        stddev: the standard deviation before the truncation, a non-negative float; 0.05 by
            default.
        seed: an int that fixes the values; None (default) for values that depend on the weight's
            path and on the seed of the build.

    Raises:
        InputError: the seed is not an int.

    >>> TruncatedNormal(stddev=0.02).distribution_for((2, 3)).kind
    'truncated_normal'
    """

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def distribution_for(self, shape: Shape) -> Distribution:
        return Distribution("truncated_normal", mean=float(self.mean), stddev=float(self.stddev))


@dataclass(frozen=True, repr=False)
class Orthogonal(Seeded):
    """A random orthogonal matrix times a factor: ``w^T w = gain^2 I``, or ``w w^T``.

    All axes but the last are the rows of the matrix; its rows or its columns are orthonormal,
    whichever are fewer.

    Args:
        gain: the factor, a float; 1.0 by default.
        seed: an int that fixes the values; None (default) for values that depend on the weight's
            path and on the seed of the build.

    Raises:
        InputError: the seed is not an int.

    Source: Saxe et al., Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks, arXiv 1312.6120.

    >>> Orthogonal(2.0).distribution_for((4, 4)).gain
    2.0
    """

    gain: float = 1.0
    seed: int | None = None

    def distribution_for(self, shape: Shape) -> Distribution:
        return Distribution("orthogonal", gain=float(self.gain))
