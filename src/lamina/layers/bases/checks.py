"""Checks of a layer's options and of the shapes of its inputs."""

from __future__ import annotations

import codecs
import math
import operator
from typing import Any, cast

from lamina.core.running.input_sizes import TooSmallError, known_sizes
from lamina.core.tree.node import Tracked
from lamina.errors import explain
from lamina.layers.bases.errors import bad_option, call_site, name_of, refusal
from lamina.ops.spatial import DataFormat

__all__ = [
    "check_axes",
    "check_broadcast",
    "check_choice",
    "check_count",
    "check_data_format",
    "check_each",
    "check_encoding",
    "check_filled",
    "check_integers",
    "check_multiple",
    "check_rank",
    "check_room",
    "check_salt",
    "check_shape",
    "check_within",
]


def check_count(layer: Tracked, name: str, value: Any) -> int:
    """Returns the option as a positive integer.

    Raises:
        InputError: it is not one.
    """
    try:
        count = operator.index(value)
    except TypeError:
        count = 0
    if count <= 0 or isinstance(value, bool):
        raise bad_option(layer, name, value, "a positive integer")
    return count


def check_within(
    layer: Tracked,
    name: str,
    value: Any,
    low: float = 0.0,
    high: float = 1.0,
    *,
    above: bool = False,
    below: bool = False,
) -> float:
    """Returns the option as a number in ``[low, high]``; `above` excludes low, `below` high.

    Raises:
        InputError: it is not such a number.
    """
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    fits = low <= number <= high
    if not fits or (above and number == low) or (below and number == high):
        raise bad_option(layer, name, value, _interval(low, high, above, below))
    return number


def check_choice(layer: Tracked, name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    """Returns the option, which is one of the choices.

    Raises:
        InputError: it is none of them.
    """
    if value not in choices:
        raise bad_option(layer, name, value, f"one of {', '.join(map(repr, choices))}")
    return value


def check_data_format(layer: Tracked, value: Any) -> DataFormat:
    """Returns the option ``data_format``, of which None means channels last."""
    choices = (None, "channels_last", "channels_first")
    return check_choice(layer, "data_format", value, choices) or "channels_last"


def check_integers(layer: Tracked, name: str, value: Any) -> tuple[int, ...]:
    """Returns the option, an integer or a sequence of integers, as a tuple.

    Raises:
        InputError: it is neither.
    """
    given = tuple(cast("list[Any]", value)) if isinstance(value, list | tuple) else (value,)
    try:
        numbers = tuple(operator.index(one) for one in given)
    except TypeError:
        numbers = ()
    if not numbers or any(isinstance(one, bool) for one in given):
        raise bad_option(layer, name, value, "an integer, or a list of integers")
    return numbers


def check_each(
    layer: Tracked, name: str, value: Any, length: int, *, low: int = 1
) -> tuple[int, ...]:
    """Returns the option as a tuple of ``length`` integers >= ``low``; one integer is repeated.

    Raises:
        InputError: it is neither such an integer nor a sequence of ``length`` of them.
    """
    several = isinstance(value, list | tuple)
    given = tuple(cast("list[Any]", value)) if several else (value,) * length
    try:
        numbers = tuple(-1 if isinstance(one, bool) else operator.index(one) for one in given)
    except TypeError:
        numbers = ()
    if len(numbers) != length or min(numbers) < low:
        one = "a positive integer" if low == 1 else f"an integer >= {low}"
        raise bad_option(layer, name, value, one + (f", or a list of {length}" * (length > 1)))
    return numbers


def check_encoding(layer: Tracked, value: Any) -> str:
    """Returns the option ``encoding``, the name of a text encoding.

    Raises:
        InputError: Python does not know it.
    """
    try:
        codecs.lookup(value)
        "".encode(value)  # some codecs are not of text
    except (LookupError, TypeError):
        raise bad_option(layer, "encoding", value, "the name of an encoding") from None
    return value


def check_filled(
    layer: Tracked, name: str, target: tuple[int, ...], sizes: tuple[Any, ...]
) -> tuple[int, ...]:
    """Returns the option, a shape, with its -1 replaced by the size that these sizes leave for it.

    Raises:
        InputError: the numbers of elements differ, and all sizes are known.
    """
    if None in sizes:
        return target
    given = math.prod(size for size in target if size != -1)
    left = math.prod(sizes) // max(given, 1)
    filled = tuple(left if size == -1 else size for size in target)
    if math.prod(filled) == math.prod(sizes) or None in known_sizes(layer, sizes):
        return filled
    count = f"a multiple of {given}" if -1 in target else f"{given}"
    raise refusal(
        layer,
        f"got an input whose size does not match its {name}",
        expected=f"{count} elements per example, for {target}",
        received=f"{math.prod(sizes)} elements per example, in {sizes}",
        remedy=f"Use a {name} with this number of elements; one size may be -1, to infer it.",
    )


def check_multiple(layer: Tracked, what: str, count: Any, name: str, parts: int) -> None:
    """Checks that a count is a multiple of the option; None, an unknown count, passes.

    Raises:
        InputError: it is not.
    """
    if count is not None and count % parts != 0:
        raise refusal(
            layer,
            f"cannot split its {what} evenly",
            expected=f"a number of {what} divisible by {name}={parts}",
            received=f"{count} {what}",
            remedy=f"Make {name} a divisor of {count}.",
        )


def check_rank(layer: Tracked, shape: Any, axes: str, *, exactly: bool = False) -> None:
    """Checks that a shape has an axis for each name in ``axes``.

    Args:
        layer: the layer that gets the shape.
        shape: the shape, or a structure of shapes, which is refused.
        axes: names of axes, separated by ", ". There may be more axes in front of them, or behind
            them if the names end in "...".
        exactly: whether to refuse more axes.

    Raises:
        InputError: the number of axes is wrong, or ``shape`` is not one shape.
    """
    rank = len(axes.split(", "))
    dims = cast("tuple[Any, ...]", shape) if isinstance(shape, tuple) else ()
    one = not any(isinstance(dim, tuple | list | dict | str) for dim in dims)
    if one and (len(dims) == rank if exactly else len(dims) >= rank):
        return
    raise refusal(
        layer,
        "got an input with the wrong number of axes",
        expected=f"[{axes}]" if exactly or axes.endswith("...") else f"[..., {axes}]",
        received="a value that is not an array"
        if shape is None
        else (f"{len(dims)} axes" if one and dims != () else f"shape {shape}"),
        remedy="Pass an array that has these axes.",
    )


def check_room(layer: Tracked, sizes: tuple[Any, ...], least: tuple[int, ...], axes: str) -> None:
    """Checks that sizes are at least ``least``; None, an unknown size, passes.

    Raises:
        InputError: a size is smaller.
    """
    found = zip(sizes, least, strict=True)
    lacking = max((low - size for size, low in found if size is not None), default=0)
    if lacking > 0:
        raise TooSmallError(
            explain(
                f"{name_of(layer)} got an input that is too small: its output would be empty.",
                where=call_site(layer),
                expected=f"[{axes}] >= {least}",
                received=f"[{axes}] = {sizes}",
                remedy="Use a larger input, or a smaller kernel, window or cropping.",
            ),
            lacking,
        )


def check_salt(layer: Tracked, value: Any) -> tuple[int, int] | None:
    """Returns the option ``salt``, one or two integers or None, as the key of a hash.

    Raises:
        InputError: it is none of these.
    """
    if value is None:
        return None
    parts = check_integers(layer, "salt", value)
    if len(parts) != (2 if isinstance(value, list | tuple) else 1):
        raise bad_option(layer, "salt", value, "an integer, or two")
    first, *rest = parts
    return first, (rest or parts)[0]


def check_shape(layer: Tracked, what: str, array: Any, shape: tuple[int, ...], axes: str) -> None:
    """Checks that an array has the given shape.

    Raises:
        InputError: the array has another shape.
    """
    if array.shape != shape:
        raise refusal(
            layer,
            f"got {what} that does not match its input",
            expected=f"[{axes}] = {shape}",
            received=f"shape {array.shape}",
            remedy=f"Pass {what} of that shape.",
        )


def check_broadcast(
    layer: Tracked, what: str, array: Any, shape: tuple[int, ...], axes: str
) -> None:
    """Checks that an array has the axes of a shape, each of the shape's size or of size 1.

    Raises:
        InputError: the array has other sizes, or another number of axes.
    """
    pairs = zip(array.shape, shape, strict=False)
    if len(array.shape) != len(shape) or any(size not in (1, wanted) for size, wanted in pairs):
        raise refusal(
            layer,
            f"got {what} that does not match its input",
            expected=f"[{axes}] = {shape}, or 1 for any of them",
            received=f"shape {array.shape}",
            remedy=f"Pass {what} that broadcasts to that shape.",
        )


def check_axes(layer: Tracked, axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Returns the axes counted from the front, in ascending order.

    Raises:
        InputError: an axis is out of range, or is named twice.
    """
    found = sorted({axis % rank for axis in axes if -rank <= axis < rank})
    if len(found) != len(axes):
        raise refusal(
            layer,
            "has an axis that its input does not have, or repeats one",
            expected=f"different axes of an input of {rank} axes",
            received=f"axis={axes[0] if len(axes) == 1 else axes}",
            remedy="Count axes from 0 at the front or from -1 at the back.",
        )
    return tuple(found)


def _interval(low: float, high: float, above: bool, below: bool) -> str:
    if high == math.inf:
        return "a number" if low == -math.inf else f"a number {'>' if above else '>='} {low:g}"
    return f"a number in {'(' if above else '['}{low:g}, {high:g}{')' if below else ']'}"
