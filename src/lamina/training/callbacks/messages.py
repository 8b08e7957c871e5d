"""Messages that callbacks print."""

from __future__ import annotations

import sys

__all__ = ["encodable", "print_message"]


def encodable(text: str, encoding: str | None) -> str:
    r"""Escape the characters that an encoding does not have.

    >>> encodable("a \u2603", "ascii")
    'a \\u2603'
    """
    name = encoding or "utf-8"
    return text.encode(name, "backslashreplace").decode(name)


def print_message(text: str) -> None:
    """Print a line to standard output, in the characters that it can encode."""
    print(encodable(text, getattr(sys.stdout, "encoding", None)))
