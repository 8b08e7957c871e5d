"""Axis labels of attention plots: characters or tokens."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from lamina.plots.fonts import families_for

__all__ = ["Label", "Text", "labels_of"]

Text = str | Sequence[str]
"""A string, labeled by its characters, or a sequence of tokens."""

_SPACE = "\u2423"  # an open box, shown for a space
_WORD = "\u2581"  # prefix of the first token of a word
_PART = "\u00b7"  # prefix of the other tokens in plots
_PLAIN = ["DejaVu Sans"]
_LONGEST = 32  # characters of a token
_LETTER, _CODE, _PER_CHARACTER = 0.24, 0.52, 0.075  # lengths in inches


@dataclass(frozen=True)
class Label:
    """The label of a character or token, and the fonts that contain it."""

    text: str
    fonts: list[str]
    is_code: bool = False

    @property
    def is_token(self) -> bool:
        return len(self.text) > 1 and not self.is_code

    @property
    def is_pale(self) -> bool:
        return self.is_code or self.text == _SPACE

    @property
    def size(self) -> float:
        """Font size in points."""
        return 6 if self.is_code else 8 if self.is_token else 9

    @property
    def room(self) -> float:
        """Length of the label in inches."""
        if not self.is_token:
            return _CODE if self.is_code else _LETTER
        wide = sum(1.7 if unicodedata.east_asian_width(char) in "WF" else 1 for char in self.text)
        return _LETTER + _PER_CHARACTER * wide


def labels_of(text: Text, fonts: Sequence[str] | None = None) -> list[Label]:
    """The labels of the characters of a string, or of tokens.

    A space is shown as an open box, a character without a glyph as its code point. Where
    the beginnings of words are marked, as by SentencePiece, the other tokens have a dot as prefix.

    Args:
        text: a string or a sequence of tokens.
        fonts: font families to choose from, in order of preference. Default: all installed.

    >>> [label.text for label in labels_of("a b")]
    ['a', '␣', 'b']
    >>> [label.text for label in labels_of(["▁a", "bc"])]
    ['a', '·bc']
    """
    if isinstance(text, str):
        return [_character(char, fonts) for char in text]
    marked = any(token.startswith(_WORD) for token in text)
    return [_token(token, marked, fonts) for token in text]


def _character(char: str, fonts: Sequence[str] | None) -> Label:
    shown = _SPACE if char == " " else char
    # Combining marks and control characters have no glyph of their own.
    families = None if unicodedata.category(shown)[0] in "CMZ" else families_for(shown, fonts)
    if families is None:
        return Label(f"U+{ord(char):04X}", _PLAIN, is_code=True)
    return Label(shown, families)


def _token(token: str, marked: bool, fonts: Sequence[str] | None) -> Label:
    bare = token.replace(_WORD, "")
    begins = not marked or token.startswith(_WORD) or not bare[:1].isalnum()
    shown = bare if begins else f"{_PART}{bare}"
    if len(shown) > _LONGEST:
        shown = f"{shown[: _LONGEST - 1]}…"
    if len(shown) < 2:
        return _character(shown or " ", fonts)
    controls = any(unicodedata.category(char)[0] == "C" for char in shown)
    families = None if controls else families_for(shown, fonts)
    if families is None:
        return Label(f"U+{ord(bare[0]):04X}...", _PLAIN, is_code=True)
    return Label(shown, families)
