"""What a weight is drawn from, as data, and the base of all that say so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, explain

__all__ = ["Distribution", "Initializer", "Kind", "Scalar", "Shape", "fans", "refuse"]

Shape: TypeAlias = tuple[int, ...]
Scalar: TypeAlias = bool | int | float | complex
Kind: TypeAlias = Literal[
    "constant", "uniform", "normal", "truncated_normal", "orthogonal", "identity"
]


@dataclass(frozen=True, slots=True)
class Distribution:
    """What one weight is drawn from.

    | kind               | values                                                          |
    |--------------------|-----------------------------------------------------------------|
    | `constant`         | `value`, broadcast to the shape                                 |
    | `uniform`          | from `low` to `high`                                            |
    | `normal`           | `mean` + `stddev` z                                             |
    | `truncated_normal` | the same, z cut off at -2 and 2; `stddev` is that before the cut |
    | `orthogonal`       | `gain` times a matrix with orthonormal rows or columns          |
    | `identity`         | `gain` on the diagonal, else 0                                  |
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
    """The inputs and outputs of one unit of a weight, as Keras counts them.

    The last two axes are inputs and outputs, those before them a receptive field (a convolution's
    kernel); both axis arguments together overrule that.

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


class Initializer:
    """The base of the built-in initializers: a frozen record that says its law.

    A `seed` fixes the draw: every weight of the same shape then gets the same values, whatever its
    path and whatever `lamina.set_seed` says. Without one, path and seed of the build decide.

    Called with a shape, it draws an array for no weight: each call another one, unless it has a
    seed. A subclass has a `law`, or draws by itself in ``__call__(self, shape, dtype=None)``.
    """

    seed: int | None = None

    if TYPE_CHECKING:

        def __call__(self, shape: Any, dtype: Any = None) -> Any:
            """An array of the shape; what draws is in `lamina.core`, above this floor."""

    def distribution_for(self, shape: Shape) -> Distribution:
        """The law for a weight of that shape."""
        raise NotImplementedError

    def given(self) -> dict[str, Any]:
        """The arguments that differ from their defaults."""
        if not is_dataclass(self):  # a user's own
            return {}
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, plain) in values.items() if not _same(value, plain)}

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={_brief(value)}" for name, value in self.given().items())
        return f"{type(self).__name__}({given})"


def refuse(owner: Initializer, symptom: str, expected: str, received: object) -> InputError:
    """The error of an initializer that was given what it cannot use."""
    text = explain(
        f"{type(owner).__name__} got {symptom}.",
        expected=expected,
        received=repr(received),
        remedy="Give one of what is expected.",
    )
    return InputError(text)


def _same(value: object, default: object) -> bool:
    return bool(np.array_equal(cast("Any", value), cast("Any", default)))


def _brief(value: object) -> str:
    return f"<array {value.shape}>" if isinstance(value, np.ndarray) else repr(value)
