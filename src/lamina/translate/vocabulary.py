"""Vocabularies of characters, and the protocol of all vocabularies.

Texts are normalized first (:func:`normalize`), so that different encodings of the same text give
the same ids: full-width digits of a Japanese keyboard, narrow no-break spaces in French and Russian
dates, and combining accents.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamina.errors import FileFormatError, InputError, explain
from lamina.json_text import read_json

__all__ = ["Tokens", "Vocabulary", "is_shown", "normalize", "refuse_bare_string"]

_FORMAT = "lamina.vocabulary/1"
_REPLACEMENT = "\ufffd"  # replaces unknown ids in decoded text


def normalize(text: str) -> str:
    """Normalize a text: NFKC, no invisible characters, single spaces between words.

    The case is not changed.

    >>> normalize(" ２０２４年１月９日（火） ")
    '2024年1月9日(火)'
    """
    composed = unicodedata.normalize("NFKC", text)
    # Cf: direction marks, soft hyphens, zero-width joiners
    visible = "".join(char for char in composed if unicodedata.category(char) != "Cf")
    return " ".join(visible.split())


class Tokens(Protocol):
    """Protocol of vocabularies: conversion of texts to ids and back."""

    pad: ClassVar[int]
    start: ClassVar[int]
    end: ClassVar[int]
    unknown: ClassVar[int]

    def __len__(self) -> int:
        """The number of ids."""
        ...

    def encode(
        self,
        texts: Sequence[str],
        length: int | None = None,
        *,
        start: bool = False,
        end: bool = False,
    ) -> NDArray[np.int32]:
        """Encode texts as ids ``[batch, time]``, padded at the end."""
        ...

    def split(self, text: str) -> list[str]:
        """The tokens of a text."""
        ...

    def spell(self, ids: ArrayLike) -> list[str]:
        """The tokens of ids ``[time]`` before the end token."""
        ...

    def join(self, pieces: Sequence[str]) -> str:
        """Concatenate tokens to a text."""
        ...

    def to_json(self) -> str:
        """The vocabulary as JSON."""
        ...


@dataclass(frozen=True)
class Vocabulary:
    """A vocabulary of characters.

    The ids 0 to 3 are ``pad``, ``start``, ``end`` and ``unknown``; characters follow in order.
    Texts are normalized with :func:`normalize`.

    Args:
        characters: distinct strings of one character each.

    >>> letters = Vocabulary.from_texts(["9 enero", "9 mayo"])
    >>> letters.encode(["9 mayo", "9?"], start=True, end=True)
    array([[ 1,  5,  4,  8,  6, 12, 10,  2],
           [ 1,  5,  3,  2,  0,  0,  0,  0]], dtype=int32)
    >>> letters.decode([[1, 5, 4, 8, 6, 12, 10, 2]])
    ['9 mayo']
    """

    pad: ClassVar[int] = 0
    start: ClassVar[int] = 1
    end: ClassVar[int] = 2
    unknown: ClassVar[int] = 3

    characters: tuple[str, ...]

    def __post_init__(self) -> None:
        single = all(len(char) == 1 for char in self.characters)
        if not single or len(set(self.characters)) != len(self.characters):
            raise InputError(
                explain(
                    "A Vocabulary received invalid characters.",
                    expected="distinct strings of one character each",
                    received=_shorten(self.characters),
                    remedy="Use Vocabulary.from_texts(texts).",
                )
            )

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> Vocabulary:
        """The vocabulary of all characters in texts, sorted, without control characters."""
        refuse_bare_string(texts, "Vocabulary.from_texts")
        found = {char for text in texts for char in normalize(text)}
        return cls(tuple(sorted(char for char in found if is_shown(char))))

    def __len__(self) -> int:
        """The number of ids, including the four special ids."""
        return self._first + len(self.characters)

    def encode(
        self,
        texts: Sequence[str],
        length: int | None = None,
        *,
        start: bool = False,
        end: bool = False,
    ) -> NDArray[np.int32]:
        """Encode texts as ids ``[batch, time]``, padded with ``pad`` at the end.

        Args:
            texts: a sequence of strings. Characters outside the vocabulary become ``unknown``.
            length: number of columns. Default: the longest row.
            start: whether to add a start token. Default: False.
            end: whether to add an end token. Default: False.

        Raises:
            InputError: a row is longer than ``length``, or ``texts`` is a single string.
        """
        refuse_bare_string(texts, "Vocabulary.encode")
        rows = [self._row(text, start, end) for text in texts]
        longest = max(map(len, rows), default=0)
        width = longest if length is None else length
        if longest > width:
            text = texts[next(at for at, row in enumerate(rows) if len(row) > width)]
            raise InputError(
                explain(
                    "A text is too long to encode.",
                    expected=f"at most {width} ids per row, including special tokens",
                    received=f"{len(self._row(text, start, end))} ids for {_shorten(text)}",
                    remedy="Shorten the text, or use a larger length.",
                )
            )
        ids = np.full((len(rows), width), self.pad, np.int32)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = row
        return ids

    def decode(self, ids: ArrayLike) -> list[str]:
        """Decode ids ``[batch, time]`` to texts. Each text ends before ``end``.

        ``pad`` and ``start`` are omitted. ``unknown`` becomes U+FFFD.

        Raises:
            InputError: ``ids`` is not a matrix of integers in ``[0, len(self))``.
        """
        array = np.asarray(ids)
        whole = array.size == 0 or np.issubdtype(array.dtype, np.integer)
        if array.ndim != 2 or not whole or np.any((array < 0) | (array >= len(self))):
            raise InputError(
                explain(
                    "Vocabulary.decode received invalid ids.",
                    expected=f"integers in [0, {len(self)}), shape [batch, time]",
                    received=f"{array.dtype}{list(array.shape)}, {_shorten(array.tolist())}",
                    remedy="For one row pass ids[None]; for logits pass logits.argmax(-1).",
                )
            )
        return [self.join(self.spell(row)) for row in cast(list[list[int]], array.tolist())]

    def split(self, text: str) -> list[str]:
        """The characters of the normalized text."""
        return list(normalize(text))

    def spell(self, ids: ArrayLike) -> list[str]:
        """The characters of ids ``[time]`` before ``end``. ``unknown`` becomes U+FFFD."""
        row = cast(list[int], np.asarray(ids).tolist())
        shown = row[: row.index(self.end)] if self.end in row else row
        return [
            _REPLACEMENT if at == self.unknown else self.characters[at - self._first]
            for at in shown
            if at not in (self.pad, self.start)
        ]

    def join(self, pieces: Sequence[str]) -> str:
        """Concatenate characters to a text."""
        return "".join(pieces)

    def to_json(self) -> str:
        """The vocabulary as JSON, for :meth:`from_json`."""
        return json.dumps(
            {"format": _FORMAT, "characters": "".join(self.characters)}, ensure_ascii=False
        )

    @classmethod
    def from_json(cls, text: str) -> Vocabulary:
        """Read a vocabulary written by :meth:`to_json`.

        Raises:
            FileFormatError: ``text`` is not JSON, or not a vocabulary.
        """
        try:
            held = read_json(text, "The vocabulary")
            if held["format"] != _FORMAT:
                raise KeyError(_FORMAT)
            if not isinstance(held["characters"], str) or not is_shown(held["characters"]):
                raise ValueError("characters that are not printable")
            return cls(tuple(held["characters"]))
        except (ValueError, TypeError, KeyError) as error:
            raise FileFormatError(
                explain(
                    "This is not a vocabulary.",
                    expected=f'JSON with "format": "{_FORMAT}" and "characters"',
                    received=_shorten(text),
                    remedy="Use a text written by Vocabulary.to_json.",
                )
            ) from error

    _first: ClassVar[int] = 4  # the id of the first character

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {char: at for at, char in enumerate(self.characters, self._first)}

    def _row(self, text: str, start: bool, end: bool) -> list[int]:
        ids = [self._ids.get(char, self.unknown) for char in normalize(text)]
        return [self.start] * start + ids + [self.end] * end


def is_shown(text: str) -> bool:
    """Whether a text has no control characters, which terminals interpret, and no surrogates.

    >>> is_shown("a\u0301 b"), is_shown("\x1b[31m")
    (True, False)
    """
    return not any(unicodedata.category(char) in ("Cc", "Cs") for char in text)


def refuse_bare_string(texts: object, where: str) -> None:
    """Refuse a single string where a sequence of strings is expected.

    Raises:
        InputError: ``texts`` is a string.
    """
    if isinstance(texts, str):
        raise InputError(
            explain(
                f"{where} received a single string.",
                expected="a sequence of strings",
                received=_shorten(texts),
                remedy="Pass a list: [text].",
            )
        )


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
