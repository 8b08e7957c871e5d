"""Errors of arguments that are not among the values there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamina.errors import InputError, explain

__all__ = ["choice", "wrong"]


def wrong(what: str, expected: str, received: Any, remedy: str) -> InputError:
    """The error of an argument.

    Args:
        what: the symptom.
        expected: what would be right.
        received: what came.
        remedy: what to do.
    """
    return InputError(explain(what, expected=expected, received=str(received)[:200], remedy=remedy))


def choice(function: str, name: str, value: Any, known: Iterable[Any]) -> None:
    """Check that an argument is one of the values there are.

    Args:
        function: the function.
        name: the argument.
        value: its value.
        known: the values there are.

    Raises:
        InputError: it is another.
    """
    listed = ", ".join(map(repr, known))
    if repr(value) not in listed.split(", "):
        text = f"{function} received an invalid {name}."
        raise wrong(text, listed, repr(value), "Pass one of those.")
