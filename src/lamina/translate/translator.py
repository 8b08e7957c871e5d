"""A trained model with what turns text into its ids and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import lamina
from lamina.errors import InputError, explain
from lamina.seq2seq import Seq2Seq
from lamina.translate.vocabulary import Vocabulary, normalize

__all__ = ["Translation", "Translator"]

_MOST_ROWS = 256  # in one run of the model


class Translation(NamedTuple):
    """A text as it was read, what it was turned into, and where the model looked.

    ``attention`` is ``[target time, source time]``, its rows those of the characters of ``text``,
    and of the end mark where there is one.
    """

    source: str
    text: str
    attention: NDArray[np.float32]


@dataclass(frozen=True)
class Translator:
    """Turns texts into other texts, character by character.

    Args:
        model: trained on ids of ``source`` and ``target``, without marks around the source.
        source: the characters it reads.
        target: the characters it writes.
        source_length: the most characters a text may have.
        target_length: the most ids it writes, the end mark included.
    """

    model: Seq2Seq
    source: Vocabulary
    target: Vocabulary
    source_length: int
    target_length: int

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """The translations of ``texts``, in their order; an empty text stays empty.

        Characters never seen in training are read as unknown: there is an answer to any text.

        Raises:
            InputError: a text is longer than ``source_length`` characters, spaces at its ends
                apart, or ``texts`` is a bare string.
        """
        return [translation.text for translation in self.translate(texts)]

    def translate(self, texts: Sequence[str]) -> list[Translation]:
        """The same, with the attention of every character written."""
        ids = self.read(texts)
        found: list[Translation] = []
        for at in range(0, len(ids), _MOST_ROWS):
            found += self._run(list(texts[at : at + _MOST_ROWS]), ids[at : at + _MOST_ROWS])
        return found

    def read(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """The ids of texts, ``[batch, source_length]``.

        Raises:
            InputError: a text is too long.
        """
        if not isinstance(texts, str):
            for text in texts:
                self._check_length(normalize(text))
        return self.source.encode(texts, self.source_length)

    def _run(self, texts: list[str], ids: NDArray[np.int32]) -> list[Translation]:
        rows = 1 << (len(ids) - 1).bit_length()  # a power of two, so that few sizes are compiled
        padded = np.full((rows, self.source_length), self.source.pad, np.int32)
        padded[: len(ids)] = ids
        decoded = self._generate(padded, self.target_length)
        written = self.target.decode(np.asarray(decoded.tokens)[: len(ids)])
        attention = np.asarray(decoded.attention)[: len(ids)]
        found = zip(map(normalize, texts), written, attention, strict=True)
        return [
            Translation(source, text if source else "", weights[: len(text) + 1, : len(source)])
            for source, text, weights in found
        ]

    @cached_property
    def _generate(self) -> Any:
        return lamina.jit(self.model, method="generate")

    def _check_length(self, text: str) -> None:
        if len(text) > self.source_length:
            raise InputError(
                explain(
                    "A text is too long to translate.",
                    expected=f"at most {self.source_length} characters",
                    received=f"{len(text)} characters: {text[:40]!r}...",
                    remedy="Give one date at a time, or shorten the text.",
                )
            )
