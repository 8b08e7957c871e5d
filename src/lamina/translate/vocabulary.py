"""Characters as ids: what the models of this package read and write.

Text is brought into one spelling first (:func:`normalize`), so that what a person types and what
a model was trained on meet: the full-width digits of a Japanese keyboard, the narrow no-break
space of a French or Russian date, and an accent typed as a character of its own all come out as
one and the same character.
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
_REPLACEMENT = "\ufffd"  # what an unknown id is written as


def normalize(text: str) -> str:
    """``text`` in NFKC, without invisible marks, every run of white space one plain space.

    Case stays as it is.

    >>> normalize(" ２０２４年１月９日（火） ")
    '2024年1月9日(火)'
    """
    composed = unicodedata.normalize("NFKC", text)
    # Cf: direction marks, soft hyphens, zero-width joiners. None of them is read aloud.
    visible = "".join(char for char in composed if unicodedata.category(char) != "Cf")
    return " ".join(visible.split())


class Tokens(Protocol):
    """What turns texts into ids and back: characters here, pieces of words elsewhere."""

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
        """The ids of texts, ``[batch, time]``, padded at the right."""
        ...

    def split(self, text: str) -> list[str]:
        """What each id of a text stands for."""
        ...

    def spell(self, ids: ArrayLike) -> list[str]:
        """What ids ``[time]`` stand for, up to the end mark."""
        ...

    def join(self, pieces: Sequence[str]) -> str:
        """The text that such pieces are in a row."""
        ...

    def to_json(self) -> str:
        """All of this as JSON text."""
        ...


@dataclass(frozen=True)
class Vocabulary:
    """The characters a model knows, each with its id.

    Ids 0 to 3 are ``pad``, ``start``, ``end`` and ``unknown``; characters follow in the order of
    ``characters``. Text is passed through :func:`normalize` on its way in.

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
                    "A Vocabulary got characters that do not serve.",
                    expected="different strings of one character each",
                    received=_shorten(self.characters),
                    remedy="Use Vocabulary.from_texts(texts), which finds the characters itself.",
                )
            )

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> Vocabulary:
        """The vocabulary of all characters in ``texts``, sorted, so that their order is free;
        control characters are not of it."""
        refuse_bare_string(texts, "Vocabulary.from_texts")
        found = {char for text in texts for char in normalize(text)}
        return cls(tuple(sorted(char for char in found if is_shown(char))))

    def __len__(self) -> int:
        """The number of ids: the characters and the four special ids."""
        return self._first + len(self.characters)

    def encode(
        self,
        texts: Sequence[str],
        length: int | None = None,
        *,
        start: bool = False,
        end: bool = False,
    ) -> NDArray[np.int32]:
        """The ids of ``texts``, ``[batch, time]``, padded with ``pad`` at the right.

        Args:
            texts: any number of strings; a character not in the vocabulary becomes ``unknown``.
            length: the size of the time axis; by default that of the longest row.
            start: begin each row with the id ``start``.
            end: close each row with the id ``end``.

        Raises:
            InputError: a row is longer than ``length`` (nothing is ever cut off), or ``texts`` is
                a bare string.
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
                    expected=f"at most {width} ids a row, marks included",
                    received=f"{len(self._row(text, start, end))} ids for {_shorten(text)}",
                    remedy="Shorten the text, or encode with a larger length.",
                )
            )
        ids = np.full((len(rows), width), self.pad, np.int32)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = row
        return ids

    def decode(self, ids: ArrayLike) -> list[str]:
        """The texts of ``ids`` ``[batch, time]``: each up to ``end``, no ``pad`` or ``start``.

        ``unknown`` is written U+FFFD, the replacement character.

        Raises:
            InputError: ``ids`` is not a matrix of whole numbers from 0 to ``len(self) - 1``.
        """
        array = np.asarray(ids)
        whole = array.size == 0 or np.issubdtype(array.dtype, np.integer)
        if array.ndim != 2 or not whole or np.any((array < 0) | (array >= len(self))):
            raise InputError(
                explain(
                    "Vocabulary.decode got ids it cannot read.",
                    expected=f"integers from 0 to {len(self) - 1}, shape [batch, time]",
                    received=f"{array.dtype}{list(array.shape)}, {_shorten(array.tolist())}",
                    remedy="Pass ids[None] for one row; for scores take argmax(-1) first.",
                )
            )
        return [self.join(self.spell(row)) for row in cast(list[list[int]], array.tolist())]

    def split(self, text: str) -> list[str]:
        """The characters of a text as it is read."""
        return list(normalize(text))

    def spell(self, ids: ArrayLike) -> list[str]:
        """The characters of ids ``[time]`` up to ``end``; ``unknown`` is U+FFFD."""
        row = cast(list[int], np.asarray(ids).tolist())
        shown = row[: row.index(self.end)] if self.end in row else row
        return [
            _REPLACEMENT if at == self.unknown else self.characters[at - self._first]
            for at in shown
            if at not in (self.pad, self.start)
        ]

    def join(self, pieces: Sequence[str]) -> str:
        """The text of characters in a row."""
        return "".join(pieces)

    def to_json(self) -> str:
        """This vocabulary as JSON text, for :meth:`from_json`."""
        return json.dumps(
            {"format": _FORMAT, "characters": "".join(self.characters)}, ensure_ascii=False
        )

    @classmethod
    def from_json(cls, text: str) -> Vocabulary:
        """The vocabulary that :meth:`to_json` wrote.

        Raises:
            FileFormatError: ``text`` is not JSON, or not a vocabulary.
        """
        try:
            held = read_json(text, "The vocabulary")
            if held["format"] != _FORMAT:
                raise KeyError(_FORMAT)
            if not isinstance(held["characters"], str) or not is_shown(held["characters"]):
                raise ValueError("characters that are no text to be shown")
            return cls(tuple(held["characters"]))
        except (ValueError, TypeError, KeyError) as error:
            raise FileFormatError(
                explain(
                    "This is not a vocabulary.",
                    expected=f'JSON with "format": "{_FORMAT}" and "characters"',
                    received=_shorten(text),
                    remedy="Read a text that Vocabulary.to_json wrote.",
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
    """Whether a text holds neither control characters, which a terminal would obey, nor halves of
    characters.

    >>> is_shown("a\u0301 b"), is_shown("\x1b[31m")
    (True, False)
    """
    return not any(unicodedata.category(char) in ("Cc", "Cs") for char in text)


def refuse_bare_string(texts: object, where: str) -> None:
    """Let only several texts pass.

    Raises:
        InputError: it is one string.
    """
    if isinstance(texts, str):
        raise InputError(
            explain(
                f"{where} got one string where it takes several.",
                expected="a sequence of strings",
                received=_shorten(texts),
                remedy="Put it into a list: [text].",
            )
        )


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
