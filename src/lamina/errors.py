"""Every message Lamina raises: symptom, place, what was expected, what came, one remedy.

Messages are put together by :func:`explain` alone, so that all of them read the same way.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BuildError",
    "FileFormatError",
    "InputError",
    "LaminaError",
    "TraceError",
    "TrackingError",
    "UnknownNameError",
    "explain",
    "nearest",
]


class LaminaError(ValueError):
    """The base of all errors raised by Lamina."""


class BuildError(LaminaError):
    """The plan of a build does not work out; nothing was changed."""


class TrackingError(BuildError):
    """A weight or a layer is used but is not part of the tree, or its path is ambiguous."""


class InputError(LaminaError, TypeError):
    """An input does not fit: its kind, its count, its shape or its dtype."""


class TraceError(LaminaError):
    """State was touched from a JAX trace where it would go stale or leak."""


class FileFormatError(LaminaError):
    """A file is not what it should be: not ours, cut short, or of another model."""


class UnknownNameError(LaminaError, LookupError):
    """A name stands for nothing: an optimizer, a loss, an activation, a path."""


_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)
}
"""What a terminal would obey: names in messages may come from a file."""


def explain(
    symptom: str,
    *,
    where: str | None = None,
    expected: str | None = None,
    received: str | None = None,
    remedy: str,
) -> str:
    """The text of one error.

    >>> print(explain("Dense got a bad size.", received="-1", remedy="Give a size above 0."))
    Dense got a bad size.
      received: -1
      remedy:   Give a size above 0.
    """
    rows = [
        ("where:", where),
        ("expected:", expected),
        ("received:", received),
        ("remedy:", remedy),
    ]
    lines = [f"  {label:<9} {text}" for label, text in rows if text is not None]
    return "\n".join([symptom, *lines]).translate(_CONTROLS)


def nearest(name: object, known: Iterable[str]) -> str:
    """A remedy that names the closest known name, or lists them all.

    >>> nearest("adm", ["adam", "sgd"])
    "Did you mean 'adam'?"
    """
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    return f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(names)}."
