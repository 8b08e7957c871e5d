"""Names in plots: any string is shown as plain text, shortened, in fonts with its characters."""

from __future__ import annotations

import unicodedata
from typing import Any

from lamina.plots.fonts import families_for

__all__ = ["shown", "style_of"]


def shown(text: str, most: int = 32) -> str:
    """Return the part of a text that a plot shows, on one line.

    The middle of a long text is left out. Control characters are escaped as in Python, and a
    character without a glyph is shown as its code point.

    Args:
        text: any string.
        most: the largest number of characters to keep.

    >>> shown("a\\nb"), shown("abcdefghijkl", 7)
    ('a\\\\nb', 'abc…jkl')
    """
    if len(text) > most:
        half = (most - 1) // 2
        text = f"{text[: most - 1 - half]}…{text[len(text) - half :]}"
    return "".join(map(_visible, text))


def style_of(text: str, bold: bool = False) -> dict[str, Any]:
    """Return the options of matplotlib for a text of :func:`shown`: fonts, and no formulas."""
    families = families_for(text) if text else None
    # Bold fonts have fewer glyphs.
    weight = "bold" if bold and text.replace("…", "").isascii() else "normal"
    return {
        "fontfamily": families or ["DejaVu Sans"],
        "fontweight": weight,
        "parse_math": False,
    }


def _visible(char: str) -> str:
    if " " <= char <= "~":
        return char
    if unicodedata.category(char)[0] in "CZ":
        return ascii(char)[1:-1]
    return char if families_for(char) is not None else f"U+{ord(char):04X}"
