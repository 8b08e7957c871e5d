"""Formatting of specs, places and numbers in reports."""

from __future__ import annotations

import math
import os
from typing import Any

from lamina.core.base.sites import Site
from lamina.core.specs.spec import Spec, map_specs

__all__ = ["count", "place", "scaled", "size_text", "specs_text"]


def specs_text(tree: Any) -> str:
    """Format specs, and containers of specs, in one line.

    Args:
        tree: specs, and lists, tuples and dicts of them.

    Returns:
        The text.
    """
    if isinstance(tree, Spec):
        return str(tree)
    if isinstance(tree, dict | list | tuple):
        words = map_specs(_Words, tree)
        return repr(words)
    return repr(tree)


class _Words(Spec):
    """A spec whose repr is its short text, for use in lists and dicts."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec.shape, spec.dtype)

    def __repr__(self) -> str:
        return str(self)


def place(at: Site | None) -> str:
    """Format a line of a file, relative to the working directory if the file is below it.

    Args:
        at: file and line; None if they are not known.

    Returns:
        The text ``file:line``.
    """
    if at is None:
        return "a line that is not known"
    try:
        relative = os.path.relpath(at.file)
    except ValueError:  # on another drive
        return str(at)
    return (
        str(at) if relative.startswith("..") or at.file.startswith("<") else f"{relative}:{at.line}"
    )


def count(number: int, noun: str) -> str:
    """Format a number with a noun in the right number.

    Args:
        number: a non-negative integer.
        noun: the noun in the singular.

    Returns:
        The text.

    >>> count(1, "layer"), count(1200, "parameter")
    ('1 layer', '1,200 parameters')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size_text(nbytes: int) -> str:
    """Format a number of bytes in bytes, KiB, MiB, GiB or TiB.

    Args:
        nbytes: a non-negative integer.

    Returns:
        The text.

    >>> size_text(407080)
    '397.5 KiB'
    """
    power = min(int(math.log(max(nbytes, 1), 1024)), 4)
    if power == 0:
        return count(nbytes, "byte")
    return f"{nbytes / 1024**power:,.1f} {('KiB', 'MiB', 'GiB', 'TiB')[power - 1]}"


def scaled(number: float, unit: str = "") -> str:
    """Format a number with a metric prefix.

    Args:
        number: the number.
        unit: the unit; none by default.

    Returns:
        The text.

    >>> scaled(2_500_000.0, "B"), scaled(12)
    ('2.5 MB', '12')
    """
    value, prefixes = float(number), ["", "k", "M", "G", "T", "P"]
    while abs(value) >= 1000 and len(prefixes) > 1:
        value, prefixes = value / 1000, prefixes[1:]
    text = f"{value:.1f}".removesuffix(".0")
    return f"{text} {prefixes[0]}{unit}".strip()
