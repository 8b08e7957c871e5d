"""Checks that layers make of their options and of the shapes that reach them."""

from __future__ import annotations

import math
import operator
from typing import Any, cast

from lamina.core import mistakes
from lamina.core.node import Tracked, site
from lamina.core.scope import SCOPE
from lamina.errors import InputError, explain

__all__ = [
    "check_axes",
    "check_choice",
    "check_count",
    "check_integers",
    "check_rank",
    "check_shape",
    "check_within",
]


def check_count(layer: Tracked, name: str, value: Any) -> int:
    """The option as a whole number above 0.

    Raises:
        InputError: it is not one.
    """
    try:
        count = operator.index(value)
    except TypeError:
        count = 0
    if count <= 0 or isinstance(value, bool):
        raise _bad_option(layer, name, value, "a whole number above 0")
    return count


def check_within(
    layer: Tracked, name: str, value: Any, low: float = 0.0, high: float = 1.0
) -> float:
    """The option as a number from low to high.

    Raises:
        InputError: it is not one.
    """
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not low <= number <= high:
        upper = "up" if high == math.inf else f"to {high:g}"
        raise _bad_option(layer, name, value, f"a number from {low:g} {upper}")
    return number


def check_choice(layer: Tracked, name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    """The option as one of the choices.

    Raises:
        InputError: it is none of them.
    """
    if value not in choices:
        raise _bad_option(layer, name, value, f"one of {', '.join(map(repr, choices))}")
    return value


def check_integers(layer: Tracked, name: str, value: Any) -> tuple[int, ...]:
    """The option, one whole number or several, as a tuple.

    Raises:
        InputError: it is neither.
    """
    given = tuple(cast("list[Any]", value)) if isinstance(value, list | tuple) else (value,)
    try:
        numbers = tuple(operator.index(one) for one in given)
    except TypeError:
        numbers = ()
    if not numbers:
        raise _bad_option(layer, name, value, "a whole number, or several in a list")
    return numbers


def check_rank(layer: Tracked, shape: Any, axes: str, *, exactly: bool = False) -> None:
    """Let only shapes pass that have an axis for each name in ``axes``, or more in front.

    Raises:
        InputError: the shape has too few axes, or is not one shape.
    """
    rank = len(axes.split(", "))
    dims = cast("tuple[Any, ...]", shape) if isinstance(shape, tuple) else ()
    one = all(dim is None or isinstance(dim, int) for dim in dims)
    if one and (len(dims) == rank if exactly else len(dims) >= rank):
        return
    raise InputError(
        explain(
            f"{_name(layer)} got an input with the wrong number of axes.",
            where=_where(layer),
            expected=f"[{axes}]" if exactly else f"[..., {axes}]",
            received=f"{len(dims)} axes" if one and dims != () else f"shape {shape}",
            remedy="Reshape the input so that it has these axes.",
        )
    )


def check_shape(layer: Tracked, what: str, array: Any, shape: tuple[int, ...], axes: str) -> None:
    """Let only arrays of one shape pass.

    Raises:
        InputError: the array has another shape.
    """
    if array.shape != shape:
        raise InputError(
            explain(
                f"{_name(layer)} got {what} that does not fit its input.",
                where=_where(layer),
                expected=f"[{axes}] = {shape}",
                received=f"shape {array.shape}",
                remedy=f"Give {what} of that shape.",
            )
        )


def check_axes(layer: Tracked, axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """The axes counted from the front, in order.

    Raises:
        InputError: an axis is not there, or is named twice.
    """
    found = sorted({axis % rank for axis in axes if -rank <= axis < rank})
    if len(found) != len(axes):
        raise InputError(
            explain(
                f"{_name(layer)} cannot work on the axes it was given.",
                where=_where(layer),
                expected=f"different axes of an input of {rank} axes",
                received=f"axis={axes[0] if len(axes) == 1 else axes}",
                remedy="Count axes from 0 at the front or from -1 at the back.",
            )
        )
    return tuple(found)


def _bad_option(layer: Tracked, name: str, value: Any, expected: str) -> InputError:
    return InputError(
        explain(
            f"{type(layer).__name__} got a value for {name} that it cannot use.",
            where=f"made at {layer._lamina.made_at}",
            expected=expected,
            received=f"{name}={value!r}",
            remedy=f"Correct {name} where the layer is made.",
        )
    )


def _name(layer: Tracked) -> str:
    """The layer's path and class within the call that is running."""
    scope = SCOPE.get()
    return type(layer).__name__ if scope is None else mistakes.name(scope.frame, layer)


def _where(layer: Tracked) -> str:
    return f"made at {layer._lamina.made_at}; called at {site()}"
