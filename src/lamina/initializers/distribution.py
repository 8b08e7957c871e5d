"""The distribution of a weight's initial values as data, and the base class of initializers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from lamina.configured import Configured
from lamina.errors import InputError, explain

__all__ = ["Distribution", "Initializer", "Kind", "Scalar", "Shape", "fans", "refuse"]

Shape: TypeAlias = tuple[int, ...]
Scalar: TypeAlias = bool | int | float | complex
Kind: TypeAlias = Literal[
    "constant", "uniform", "normal", "truncated_normal", "orthogonal", "identity"
]


@dataclass(frozen=True, slots=True)
class Distribution:
    """The distribution that the initial values of one weight are drawn from.

    | kind               | values                                                             |
    |--------------------|--------------------------------------------------------------------|
    | `constant`         | `value`, broadcast to the shape                                    |
    | `uniform`          | uniform in [`low`, `high`)                                         |
    | `normal`           | `mean + stddev z`, with z from a standard normal distribution      |
    | `truncated_normal` | the same with z in [-2, 2]; `stddev` is that before the truncation |
    | `orthogonal`       | `gain` times a matrix with orthonormal rows or columns             |
    | `identity`         | `gain` on the diagonal, else 0                                     |

    Args:
        kind: one of the kinds above.
        value: a scalar or an array, for `constant`; 0.0 by default.
        low: the lower bound, for `uniform`; 0.0 by default.
        high: the upper bound, for `uniform`; 0.0 by default.
        mean: the mean, for `normal` and `truncated_normal`; 0.0 by default.
        stddev: the standard deviation, for `normal` and `truncated_normal`; 0.0 by default.
        gain: the factor, for `orthogonal` and `identity`; 1.0 by default.

    >>> Distribution("uniform", low=-1.0, high=1.0).high
    1.0
    """

    kind: Kind
    value: Scalar | NDArray[Any] = 0.0
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    stddev: float = 0.0
    gain: float = 1.0


def fans(
    shape: Sequence[int],
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[int, int]:
    """Count the inputs and outputs of one unit of a weight: ``(fan_in, fan_out)``.

    The last two axes are inputs and outputs; those before them are the receptive field of a
    convolution and multiply both. A vector has its size as both.

    Args:
        shape: the shape of the weight.
        input_axes: the axes of the inputs, instead; None by default. Used only together with
            ``output_axes``.
        output_axes: the axes of the outputs, instead; None by default.

    Returns:
        The number of inputs and the number of outputs.

    >>> fans((3, 3, 16, 32))
    (144, 288)
    """
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[a] for a in input_axes), math.prod(shape[a] for a in output_axes)
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


class Initializer(Configured):
    """The base class of the built-in initializers: a frozen record that gives a distribution.

    Called with ``(shape, dtype=None)`` it returns an array: another one at each call, unless it has
    a seed. With a seed, every weight of one shape gets the same values; without one, they
    depend on the weight's path and on the seed of the build.

    A subclass defines `distribution_for`, or ``__call__(self, shape, dtype=None)`` for values of
    its own.

    >>> class Sevens(Initializer):
    ...     def distribution_for(self, shape):
    ...         return Distribution("constant", value=7)
    >>> Sevens().distribution_for((2,)).value
    7
    """

    seed: int | None = None

    if TYPE_CHECKING:

        def __call__(self, shape: Any, dtype: Any = None) -> Any:
            """Draw an array of the shape; `lamina.core` implements it."""

    def distribution_for(self, shape: Shape) -> Distribution:
        """Return the distribution of a weight; each subclass defines it.

        Args:
            shape: the shape of the weight.

        Returns:
            The distribution.
        """
        raise NotImplementedError

    def given(self) -> dict[str, Any]:
        """List the arguments that differ from their defaults.

        Returns:
            Their values by name.
        """
        if not is_dataclass(self):  # a user's own class
            return {}
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {
            name: value for name, (value, default) in values.items() if not _same(value, default)
        }

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={_brief(value)}" for name, value in self.given().items())
        return f"{type(self).__name__}({given})"


def refuse(owner: Initializer, symptom: str, expected: str, received: object) -> InputError:
    """Make the error of an initializer that got an invalid argument.

    Args:
        owner: the initializer.
        symptom: what it got, such as ``"an unknown mode"``.
        expected: the valid values.
        received: the invalid value.

    Returns:
        The error, to raise.
    """
    text = explain(
        f"{type(owner).__name__} got {symptom}.",
        expected=expected,
        received=repr(received),
        remedy="Pass one of the expected values.",
    )
    return InputError(text)


def _same(value: object, default: object) -> bool:
    if type(value) is type(default) and isinstance(value, int | float | str | None):
        return value == default
    return bool(np.array_equal(cast("Any", value), cast("Any", default)))


def _brief(value: object) -> str:
    return f"<array {value.shape}>" if isinstance(value, np.ndarray) else repr(value)
