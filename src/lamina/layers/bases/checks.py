"""Checks that layers make of their options and of the shapes that reach them."""

from __future__ import annotations

import math
import operator
from typing import Any, cast

from lamina.core.base.sites import site
from lamina.core.running.errors import layer_name
from lamina.core.running.scope import current
from lamina.core.running.sizes import TooSmallError, known_sizes
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.ops.spatial import DataFormat

__all__ = [
    "check_axes",
    "check_broadcast",
    "check_choice",
    "check_count",
    "check_data_format",
    "check_each",
    "check_filled",
    "check_integers",
    "check_multiple",
    "check_rank",
    "check_room",
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
    layer: Tracked,
    name: str,
    value: Any,
    low: float = 0.0,
    high: float = 1.0,
    *,
    below: bool = False,
) -> float:
    """The option as a number from low to high, or with `below` from low to less than high.

    Raises:
        InputError: it is not one.
    """
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not low <= number <= high or (below and number == high):
        upper = "up" if high == math.inf else f"{'up to, but not,' if below else 'to'} {high:g}"
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


def check_data_format(layer: Tracked, value: Any) -> DataFormat:
    """The option ``data_format``; where it is left out the channels are last.

    Raises:
        InputError: it is neither that nor one of the two.
    """
    choices = (None, "channels_last", "channels_first")
    return check_choice(layer, "data_format", value, choices) or "channels_last"


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


def check_each(
    layer: Tracked, name: str, value: Any, length: int, *, low: int = 1
) -> tuple[int, ...]:
    """The option as so many whole numbers from low up; a single one stands for each of them.

    Raises:
        InputError: it is neither.
    """
    given = (
        tuple(cast("list[Any]", value)) if isinstance(value, list | tuple) else (value,) * length
    )
    try:
        numbers = tuple(-1 if isinstance(one, bool) else operator.index(one) for one in given)
    except TypeError:
        numbers = ()
    if len(numbers) != length or min(numbers) < low:
        several = f", or {length} in a list" if length > 1 else ""
        raise _bad_option(layer, name, value, f"a whole number from {low} up{several}")
    return numbers


def check_filled(
    layer: Tracked, name: str, target: tuple[int, ...], sizes: tuple[Any, ...]
) -> tuple[int, ...]:
    """The option, a shape, with what is left of these sizes for its -1.

    Raises:
        InputError: they do not fill it, and all of them are known.
    """
    if None in sizes:
        return target
    given = math.prod(size for size in target if size != -1)
    left = math.prod(sizes) // max(given, 1)
    filled = tuple(left if size == -1 else size for size in target)
    if math.prod(filled) == math.prod(sizes) or None in known_sizes(layer, sizes):
        return filled
    count = f"a multiple of {given}" if -1 in target else f"{given}"
    raise InputError(
        explain(
            f"{_name(layer)} got an input that does not fill its {name}.",
            where=_where(layer),
            expected=f"{count} elements an example, for {target}",
            received=f"{math.prod(sizes)} elements an example, in {sizes}",
            remedy=f"Give a {name} of as many elements, with -1 for what is left.",
        )
    )


def check_multiple(layer: Tracked, what: str, count: Any, name: str, parts: int) -> None:
    """Let only counts pass that the option's parts share evenly; an unknown one passes.

    Raises:
        InputError: something would be left over.
    """
    if count is not None and count % parts != 0:
        raise InputError(
            explain(
                f"{_name(layer)} cannot part its {what} evenly.",
                where=_where(layer),
                expected=f"{what} in a multiple of {name}={parts}",
                received=f"{count} {what}",
                remedy=f"Make {name} a divisor of {count}.",
            )
        )


def check_rank(layer: Tracked, shape: Any, axes: str, *, exactly: bool = False) -> None:
    """Let only shapes pass that have an axis for each name in ``axes``, or more: in front, or
    behind, where the names end in "...".

    Raises:
        InputError: the shape has too few axes, or is not one shape.
    """
    rank = len(axes.split(", "))
    dims = cast("tuple[Any, ...]", shape) if isinstance(shape, tuple) else ()
    one = not any(isinstance(dim, tuple | list | dict | str) for dim in dims)
    if one and (len(dims) == rank if exactly else len(dims) >= rank):
        return
    raise InputError(
        explain(
            f"{_name(layer)} got an input with the wrong number of axes.",
            where=_where(layer),
            expected=f"[{axes}]" if exactly or axes.endswith("...") else f"[..., {axes}]",
            received="what is no array"
            if shape is None
            else (f"{len(dims)} axes" if one and dims != () else f"shape {shape}"),
            remedy="Pass an array that has these axes.",
        )
    )


def check_room(layer: Tracked, sizes: tuple[Any, ...], least: tuple[int, ...], axes: str) -> None:
    """Let only sizes pass that are at least these; unknown ones pass.

    Raises:
        InputError: a size is smaller.
    """
    found = zip(known_sizes(layer, sizes), least, strict=True)
    if any(size is not None and size < low for size, low in found):
        raise TooSmallError(
            explain(
                f"{_name(layer)} got an input that is too small: nothing would be left of it.",
                where=_where(layer),
                expected=f"[{axes}] from {least} up",
                received=f"[{axes}] = {sizes}",
                remedy="Give a larger input, or a smaller kernel, window or cropping.",
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


def check_broadcast(
    layer: Tracked, what: str, array: Any, shape: tuple[int, ...], axes: str
) -> None:
    """Let only arrays pass that have the sizes of a shape, or 1 for any of them.

    Raises:
        InputError: the array has other sizes, or another number of axes.
    """
    pairs = zip(array.shape, shape, strict=False)
    if len(array.shape) != len(shape) or any(size not in (1, wanted) for size, wanted in pairs):
        raise InputError(
            explain(
                f"{_name(layer)} got {what} that does not fit its input.",
                where=_where(layer),
                expected=f"[{axes}] = {shape}, or 1 for any of them",
                received=f"shape {array.shape}",
                remedy=f"Give {what} that broadcasts to that shape.",
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
    scope = current()
    return type(layer).__name__ if scope is None else layer_name(scope.call, layer)


def _where(layer: Tracked) -> str:
    return f"made at {layer._lamina.made_at}; called at {site()}"
