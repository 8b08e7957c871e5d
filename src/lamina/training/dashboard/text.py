"""Text from files that are not trusted, as a page may show it."""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable

__all__ = ["Names", "visible"]


def visible(text: str, longest: int) -> str:
    r"""Escape characters that are invisible or change the direction of text, and cut long text.

    Args:
        text: of any length.
        longest: the largest number of characters that are kept.

    >>> visible("a\x1b[1m", 10), visible("abc" * 9, 5)
    ('a\\x1b[1m', 'abcab… (27 characters)')
    """
    cut = text[:longest]
    shown = "".join(one if _is_plain(one) else _escaped(one) for one in cut)
    return shown if len(text) <= longest else f"{shown}… ({len(text):,} characters)"


def _is_plain(one: str) -> bool:
    return one in "\n\t" or " " <= one <= "~" or unicodedata.category(one) not in _INVISIBLE


_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def _escaped(one: str) -> str:
    return one.encode("ascii", "backslashreplace").decode() if one > "~" else f"\\x{ord(one):02x}"


class Names:
    """Names as a page shows them; different ones stay different, and there is a limit to them.

    Args:
        most: the largest number of names.
        longest: the largest number of characters of each.

    >>> names = Names(2, 3)
    >>> [names.of(name) for name in ("abcd", "abce", "x", "abcd")]
    ['abc… (4 characters)', 'abc… (4 characters) (2)', None, 'abc… (4 characters)']
    """

    def __init__(self, most: int, longest: int) -> None:
        self._most = most
        self._longest = longest
        self._shown: dict[Hashable, str] = {}
        self._counts: dict[str, int] = {}

    def of(self, name: str) -> str | None:
        """Return the name to show; None if there are too many."""
        key = name if len(name) <= self._longest else (hash(name), len(name))
        if key not in self._shown:
            if len(self._shown) >= self._most:
                return None
            shown = visible(name.replace("\n", "\\n").replace("\t", "\\t"), self._longest)
            count = self._counts[shown] = self._counts.get(shown, 0) + 1
            self._shown[key] = shown if count == 1 else f"{shown} ({count})"
        return self._shown[key]
