"""The exceptions of Lamina, and the form of their messages.

Every message has a symptom, the place, the expected and the received value, and one remedy. All
are composed by :func:`explain`.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "BuildError",
    "FileFormatError",
    "InputError",
    "LaminaError",
    "MissingMethodError",
    "StateError",
    "TraceError",
    "TrackingError",
    "UnknownNameError",
    "closest",
    "explain",
    "nearest",
]


class LaminaError(ValueError):
    """The base class of the exceptions of Lamina."""


class BuildError(LaminaError):
    """A layer cannot be built; nothing was changed."""


class TrackingError(BuildError):
    """A weight or layer is used but not tracked by the model, or its path is ambiguous."""


class InputError(LaminaError, TypeError):
    """An argument or input has the wrong type, number, shape or dtype."""


class MissingMethodError(InputError, NotImplementedError):
    """A class does not define a method that is needed, such as `call`."""


class StateError(LaminaError, RuntimeError):
    """An operation comes too late, such as after the first call of a layer."""


class TraceError(LaminaError):
    """State is read or assigned in a JAX trace where it would become stale or leak a tracer."""


class FileFormatError(LaminaError):
    """A file is damaged, has another format, or belongs to another model."""


class UnknownNameError(LaminaError, LookupError):
    """A name is unknown: of an optimizer, a loss, an activation, or a path."""


_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)
}
"""Control characters are escaped: names in messages may come from a file."""


def explain(
    symptom: str,
    *,
    where: str | None = None,
    expected: str | None = None,
    received: str | None = None,
    remedy: str,
) -> str:
    """Compose the message of an exception.

    Args:
        symptom: what went wrong, a sentence.
        where: the place, such as the layer's path and the line that made it; None to leave it out.
        expected: the valid values; None to leave it out.
        received: the invalid value; None to leave it out.
        remedy: the one thing to do, a sentence.

    Returns:
        The message, of several lines; control characters are escaped.

    >>> print(explain("units is negative.", received="-1", remedy="Pass a positive integer."))
    units is negative.
      received: -1
      remedy:   Pass a positive integer.
    """
    rows = [
        ("where:", where),
        ("expected:", expected),
        ("received:", received),
        ("remedy:", remedy),
    ]
    lines = [f"  {label:<9} {text}" for label, text in rows if text is not None]
    return "\n".join([symptom, *lines]).translate(_CONTROLS)


def shown(text: str, most: int = 300) -> str:
    r"""Return a text as it may stand in a line of a terminal: names may come from a file.

    Args:
        text: the text.
        most: the largest number of characters to keep. Default 300.

    Returns:
        The text, without its rest if it is long; control characters, and those that are not seen
        or change the direction, are escaped.

    >>> shown("a\x1b[1m"), shown("abc" * 9, 5)
    ('a\\x1b[1m', 'abcab... (27 characters)')
    """
    cut = text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else _escaped(c) for c in cut)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def nearest(name: object, known: Iterable[str]) -> str:
    """Compose a remedy for an unknown name.

    Args:
        name: the unknown name.
        known: the known names.

    Returns:
        A sentence with the most similar known name, or with all of them if none is similar.

    >>> nearest("adm", ["adam", "sgd"])
    "Did you mean 'adam'?"
    """
    names = sorted(known)
    close = closest(str(name), names)
    return f"Known: {', '.join(names)}." if close is None else f"Did you mean '{close}'?"


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name with the fewest edits from a name, the shorter of two.

    Args:
        name: the unknown name.
        known: the known names.

    Returns:
        The name; else the shortest that begins with `name`; None if more than half of the
        characters differ.

    >>> closest("adma", ["adamax", "adam", "sgd"])
    'adam'
    """
    names = sorted(known, key=lambda one: (len(one), one))
    if names and len(name) > 2 * len(names[-1]):  # perhaps a text of a file, of a million bytes
        return None
    near = min(names, key=lambda one: _distance(name, one), default="")
    if near and 2 * _distance(name, near) <= max(len(name), len(near)):
        return near
    return next((one for one in names if name and one.startswith(name)), None)


def _distance(first: str, second: str) -> int:
    """Return the number of edits between two strings.

    An edit inserts, deletes or replaces a character, or swaps two adjacent ones.
    """
    before: list[int] = []
    last = list(range(len(second) + 1))
    for i, a in enumerate(first):
        row = [i + 1]
        for j, b in enumerate(second):
            cost = min(row[j] + 1, last[j + 1] + 1, last[j] + (a != b))
            if i and j and a == second[j - 1] and first[i - 1] == b:
                cost = min(cost, before[j - 1] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
