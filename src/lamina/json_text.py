"""Reading untrusted JSON: its size and depth are checked before it is parsed.

A parser makes up to one value per two characters and recurses at each bracket, so a small file
could exhaust memory or the stack.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import numpy as np

from lamina.errors import FileFormatError, explain

__all__ = ["DEEPEST", "MOST_LISTS", "MOST_TEXT", "MOST_VALUES", "excess", "read_json"]

MOST_TEXT = 64 << 20
"""The largest number of characters of a text."""

MOST_VALUES = 8_000_000
"""The largest number of values, those inside lists and objects included."""

MOST_LISTS = 1_000_000
"""The largest number of lists and objects."""

DEEPEST = 200
"""The largest depth of nested lists and objects."""

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+', re.DOTALL)
_NO_BRACKET = re.compile(r"[^\[\]{}]++")


def read_json(text: str, what: str, share: int = 1) -> Any:
    """Parse JSON, within the limits of this module.

    Args:
        text: JSON, without NaN and infinities, and without duplicate names in an object.
        what: the name of the text, for the error.
        share: what the limits of size are divided by. Default 1.

    Returns:
        The value.

    Raises:
        FileFormatError: it is not JSON, or exceeds a limit.

    >>> read_json('{"units": [1, 2]}', "the example")
    {'units': [1, 2]}
    """
    problem = excess(text, share)
    if problem is not None:
        raise _unreadable(what, problem)
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _unreadable(what, f"{type(error).__name__}: {error}") from error


def excess(text: str, share: int = 1) -> str | None:
    """Describe the limit that a text exceeds.

    Args:
        text: JSON.
        share: what the limits of size are divided by. Default 1.

    Returns:
        The size and the limit; None if the text is within all limits.

    >>> excess("[" * 300)
    '300 nested lists and objects, more than 200'
    """
    most_text, most_values, most_lists = (
        most // share for most in (MOST_TEXT, MOST_VALUES, MOST_LISTS)
    )
    if len(text) > most_text:
        return f"{len(text):,} characters, more than {most_text:,}"
    bare = _STRING.sub("", text)
    lists = bare.count("[") + bare.count("{")
    values = bare.count(",") + lists
    if values > most_values:
        return f"{values:,} values, more than {most_values:,}"
    if lists > most_lists:
        return f"{lists:,} lists and objects, more than {most_lists:,}"
    brackets = np.frombuffer(_NO_BRACKET.sub("", bare).encode(), np.uint8)
    opens = (brackets == ord("[")) | (brackets == ord("{"))
    depth = int(np.cumsum(np.where(opens, 1, -1), dtype=np.int32).max(initial=0))
    if depth > DEEPEST:
        return f"{depth:,} nested lists and objects, more than {DEEPEST}"
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("an object has a duplicate name")
    return made


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _unreadable(what: str, received: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"{what} cannot be read.",
            expected="JSON within the limits of size and depth",
            received=received[:200],
            remedy="Save it again, or copy the file again.",
        )
    )
