"""JSON that somebody else wrote, read within bounds: its size is known before any of it is made.

A parser makes a value for each byte or two and goes down a level for each bracket, so a small file
can take all memory, or the whole stack.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import numpy as np

from lamina.errors import FileFormatError, explain

__all__ = ["DEEPEST", "MOST_LISTS", "MOST_TEXT", "MOST_VALUES", "excess", "read_json"]

MOST_TEXT = 64 << 20
"""The characters that a text may have."""

MOST_VALUES = 8_000_000
"""The values that a text may hold, those in lists and objects counted each."""

MOST_LISTS = 1_000_000
"""The lists and objects that a text may hold."""

DEEPEST = 200
"""The lists and objects that may stand in each other."""

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+', re.DOTALL)
_NO_BRACKET = re.compile(r"[^\[\]{}]++")


def read_json(text: str, what: str) -> Any:
    """The value that a text stands for.

    Args:
        text: JSON without NaN and infinities, and without two entries of one name in an object.
        what: the text is, for the error.

    Raises:
        FileFormatError: it is not JSON, or larger or deeper than the bounds of this module.

    >>> read_json('{"units": [1, 2]}', "the example")
    {'units': [1, 2]}
    """
    problem = excess(text)
    if problem is not None:
        raise _unreadable(what, problem)
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _unreadable(what, f"{type(error).__name__}: {error}") from error


def excess(text: str) -> str | None:
    """Which bound a text exceeds, and by what; None if none.

    >>> excess("[" * 300)
    '300 lists and objects in each other, more than 200'
    """
    if len(text) > MOST_TEXT:
        return f"{len(text):,} characters, more than {MOST_TEXT:,}"
    bare = _STRING.sub("", text)
    lists = bare.count("[") + bare.count("{")
    values = bare.count(",") + lists
    if values > MOST_VALUES:
        return f"{values:,} values, more than {MOST_VALUES:,}"
    if lists > MOST_LISTS:
        return f"{lists:,} lists and objects, more than {MOST_LISTS:,}"
    brackets = np.frombuffer(_NO_BRACKET.sub("", bare).encode(), np.uint8)
    opens = (brackets == ord("[")) | (brackets == ord("{"))
    depth = int(np.cumsum(np.where(opens, 1, -1), dtype=np.int32).max(initial=0))
    if depth > DEEPEST:
        return f"{depth:,} lists and objects in each other, more than {DEEPEST}"
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("an object has two entries of one name")
    return made


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _unreadable(what: str, received: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"{what} cannot be read.",
            expected="JSON as Lamina writes it, of a bounded size and depth",
            received=received[:200],
            remedy="Save it again, with this version of Lamina.",
        )
    )
