"""Initializers whose variance depends on the number of inputs or outputs of a unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar, cast

from lamina.initializers.distribution import Distribution, Initializer, Shape, fans, refuse
from lamina.initializers.random import Seeded

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "VarianceScaling",
    "with_axes",
]

T = TypeVar("T")

_TRUNCATED_STDDEV = 0.87962566103423978  # of a standard normal truncated to [-2, 2]
_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("uniform", "truncated_normal", "untruncated_normal")


class _Fanned(Seeded):
    """The base class of initializers whose distribution depends on the weight's fans."""

    input_axes: tuple[int, ...] | None = None
    output_axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("input_axes", "output_axes"):  # a list comes from JSON
            axes = cast("Sequence[int] | None", getattr(self, name))
            if axes is not None:
                object.__setattr__(self, name, tuple(axes))


@dataclass(frozen=True, repr=False)
class VarianceScaling(_Fanned):
    """Values of mean 0 and variance ``scale / n``, n the number of inputs or outputs of a unit.

    Normal distributions have ``stddev = sqrt(scale / n)``, the truncated one after the truncation;
    the uniform one has the limits ``-sqrt(3 scale / n)`` and ``sqrt(3 scale / n)``.

    Args:
        scale: a positive float; 1.0 by default.
        mode: n: ``"fan_in"`` (default) for the inputs, ``"fan_out"`` for the outputs,
            ``"fan_avg"`` for their average.
        distribution: ``"truncated_normal"`` (default), ``"untruncated_normal"`` or ``"uniform"``.
        seed: an int that fixes the values; None (default) for values that depend on the weight's
            path and on the seed of the build.
        input_axes: the axes of the inputs; None (default) for those of :func:`fans`.
        output_axes: the axes of the outputs; None (default) for those of :func:`fans`.

    Raises:
        InputError: an option is not one of these.

    Source: Glorot and Bengio, 2010; He et al., arXiv 1502.01852.

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
            raise refuse(self, "an invalid scale", "a positive number", self.scale)
        if self.mode not in _MODES:
            raise refuse(self, "an unknown mode", ", ".join(_MODES), self.mode)
        if plain not in _DISTRIBUTIONS:
            raise refuse(self, "an unknown distribution", ", ".join(_DISTRIBUTIONS), plain)

    def distribution_for(self, shape: Shape) -> Distribution:
        return self.with_fans(*fans(shape, self.input_axes, self.output_axes))

    def with_fans(self, inputs: int, outputs: int) -> Distribution:
        """Return the distribution for given fans.

        Args:
            inputs: the number of inputs of a unit.
            outputs: the number of outputs of a unit.

        Returns:
            The distribution.
        """
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
    """The base class of named cases of :class:`VarianceScaling`."""

    scaling: ClassVar[VarianceScaling]

    seed: int | None = None
    input_axes: tuple[int, ...] | None = None
    output_axes: tuple[int, ...] | None = None

    def distribution_for(self, shape: Shape) -> Distribution:
        return self.scaling.with_fans(*fans(shape, self.input_axes, self.output_axes))


class GlorotUniform(_Scaled):
    """Uniform values with the variance ``2 / (fan_in + fan_out)``.

    In [-limit, limit) with ``limit = sqrt(6 / (fan_in + fan_out))``, with the
    fans of :func:`fans`.

    Args:
        seed: an int that fixes the values; None (default) for values that depend on the weight's
            path and on the seed of the build.
        input_axes: the axes of the inputs; None (default) for those of :func:`fans`.
        output_axes: the axes of the outputs; None (default) for those of :func:`fans`.

    Raises:
        InputError: the seed is not an int.

    Source: Glorot and Bengio, Understanding the difficulty of training deep networks, 2010.

    >>> GlorotUniform(seed=1).distribution_for((6, 6)).kind
    'uniform'
    """

    scaling = VarianceScaling(1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Truncated normal values with the variance ``2 / (fan_in + fan_out)``.

    ``stddev = sqrt(2 / (fan_in + fan_out))``, with the
    fans of :func:`fans`.

    Args:
        seed: an int that fixes the values; None (default) for values that depend on the weight's
            path and on the seed of the build.
        input_axes: the axes of the inputs; None (default) for those of :func:`fans`.
        output_axes: the axes of the outputs; None (default) for those of :func:`fans`.

    Raises:
        InputError: the seed is not an int.

    Source: Glorot and Bengio, Understanding the difficulty of training deep networks, 2010.

    >>> GlorotNormal(seed=1).distribution_for((6, 6)).kind
    'truncated_normal'
    """

    scaling = VarianceScaling(1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform values with the variance ``2 / fan_in``, for ReLU networks.

    In [-limit, limit) with ``limit = sqrt(6 / fan_in)``, with the
    fans of :func:`fans`.

    Args:
        seed: an int that fixes the values; None (default) for values that depend on the weight's
            path and on the seed of the build.
        input_axes: the axes of the inputs; None (default) for those of :func:`fans`.
        output_axes: the axes of the outputs; None (default) for those of :func:`fans`.

    Raises:
        InputError: the seed is not an int.

    Source: He et al., Delving deep into rectifiers, arXiv 1502.01852.

    >>> HeUniform(seed=1).distribution_for((6, 6)).high
    1.0
    """

    scaling = VarianceScaling(2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal values with the variance ``2 / fan_in``, for ReLU networks.

    ``stddev = sqrt(2 / fan_in)``, with the
    fans of :func:`fans`.

    Args:
        seed: an int that fixes the values; None (default) for values that depend on the weight's
            path and on the seed of the build.
        input_axes: the axes of the inputs; None (default) for those of :func:`fans`.
        output_axes: the axes of the outputs; None (default) for those of :func:`fans`.

    Raises:
        InputError: the seed is not an int.

    Source: He et al., Delving deep into rectifiers, arXiv 1502.01852.

    >>> HeNormal(seed=1).distribution_for((6, 6)).kind
    'truncated_normal'
    """

    scaling = VarianceScaling(2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform values with the variance ``1 / fan_in``.

    In [-limit, limit) with ``limit = sqrt(3 / fan_in)``, with the
    fans of :func:`fans`.

    Args:
        seed: an int that fixes the values; None (default) for values that depend on the weight's
            path and on the seed of the build.
        input_axes: the axes of the inputs; None (default) for those of :func:`fans`.
        output_axes: the axes of the outputs; None (default) for those of :func:`fans`.

    Raises:
        InputError: the seed is not an int.

    Source: LeCun et al., Efficient backprop, 1998.

    >>> LecunUniform(seed=1).distribution_for((6, 6)).kind
    'uniform'
    """

    scaling = VarianceScaling(1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal values with the variance ``1 / fan_in``.

    ``stddev = sqrt(1 / fan_in)``, with the
    fans of :func:`fans`.

    Args:
        seed: an int that fixes the values; None (default) for values that depend on the weight's
            path and on the seed of the build.
        input_axes: the axes of the inputs; None (default) for those of :func:`fans`.
        output_axes: the axes of the outputs; None (default) for those of :func:`fans`.

    Raises:
        InputError: the seed is not an int.

    Source: LeCun et al., Efficient backprop, 1998.

    >>> LecunNormal(seed=1).distribution_for((6, 6)).kind
    'truncated_normal'
    """

    scaling = VarianceScaling(1.0, "fan_in", "truncated_normal")


def with_axes(
    initializer: T, input_axes: Sequence[int], output_axes: Sequence[int]
) -> T | Initializer:
    """Set the axes of inputs and outputs on an initializer that depends on fans.

    Args:
        initializer: an initializer, or anything else.
        input_axes: the axes of the inputs of a weight.
        output_axes: the axes of the outputs of a weight.

    Returns:
        A copy with the axes; or ``initializer`` itself if it does not depend on fans, or has
        both axes already.

    >>> with_axes(GlorotUniform(), (0,), (1, 2))
    GlorotUniform(input_axes=(0,), output_axes=(1, 2))
    """
    if not isinstance(initializer, VarianceScaling | _Scaled):
        return initializer
    if initializer.input_axes is not None and initializer.output_axes is not None:
        return initializer
    return replace(initializer, input_axes=tuple(input_axes), output_axes=tuple(output_axes))
