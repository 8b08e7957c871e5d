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
    if how != "strip_punctuation":
        text = text.translate(_LOWER)
    return text if how == "lower" else text.translate(_PUNCTUATION)


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
    return [
        " ".join(tokens[start : start + width])
        for width in widths
        for start in range(len(tokens) - width + 1)
    ]
