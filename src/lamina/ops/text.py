"""Standardizing and splitting of text, as TensorFlow's operations on UTF-8 do by default."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

__all__ = ["SPLITS", "STANDARDS", "ngrams", "split", "standardize"]

STANDARDS = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
"""How :func:`standardize` can change text."""

SPLITS = ("whitespace", "character")
"""How :func:`split` can split text."""

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_BOTH = _LOWER | _PUNCTUATION
_WORD = re.compile("[^ \\t\\n\\v\\f\\r]+")


def standardize(text: str, how: str) -> str:
    """Convert ASCII letters to lower case, remove ASCII punctuation, or both.

    Args:
        text: the text.
        how: one of :data:`STANDARDS`.

    Returns:
        The changed text.

    >>> standardize("It's LATE.", "lower_and_strip_punctuation")
    'its late'
    """
    if how == "lower":
        return text.lower() if text.isascii() else text.translate(_LOWER)
    return text.translate(_PUNCTUATION if how == "strip_punctuation" else _BOTH)


def split(text: str, how: str) -> list[str]:
    """Split text at ASCII whitespace, or into Unicode characters.

    Args:
        text: the text.
        how: one of :data:`SPLITS`.

    Returns:
        The tokens, of which none is empty.

    >>> split(" two  words ", "whitespace"), split("né", "character")
    (['two', 'words'], ['n', 'é'])
    """
    return _WORD.findall(text) if how == "whitespace" else list(text)


def ngrams(tokens: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Join neighbouring tokens with spaces: all of the first width, then all of the next.

    Args:
        tokens: the tokens.
        widths: numbers of tokens to join.

    Returns:
        The joined tokens.

    >>> ngrams(["a", "b", "c"], (1, 2))
    ['a', 'b', 'c', 'a b', 'b c']
    """
    found: list[str] = []
    for width in widths:
        found += map(" ".join, zip(*(tokens[start:] for start in range(width)), strict=False))
    return found
