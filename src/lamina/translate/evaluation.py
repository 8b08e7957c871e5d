"""How good translations are: BLEU and chrF, as sacrebleu counts them, and the loss."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from lamina.translate.pairs import Pair
from lamina.translate.translator import Translation, Translator

__all__ = ["Judge", "Verdict", "way_of_parting"]

_ROWS = 64
# Scripts written without spaces, by the beginnings of their characters' names.
_UNSPACED = ("HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


class Verdict(NamedTuple):
    """BLEU and chrF, from 0 to 100, with sacrebleu's signatures of how they were counted."""

    bleu: float
    chrf: float
    bleu_signature: str
    chrf_signature: str
    translations: list[Translation]


class Judge:
    """Judges translators by pairs.

    Args:
        pairs: texts and their translations by people.
        lowercase: whether small and capital letters count as the same.
        parting: how BLEU parts texts into words, by sacrebleu's name; by the script if None.
    """

    def __init__(
        self, pairs: Sequence[Pair], lowercase: bool = False, parting: str | None = None
    ) -> None:
        self.pairs = pairs
        self.lowercase = lowercase
        self.parting = parting

    def __call__(self, translator: Translator, beam: int | None = None) -> Verdict:
        """Translate the sources and compare."""
        translations = translator.translate([pair.source for pair in self.pairs], beam)
        texts = [translation.text for translation in translations]
        references = [[pair.target for pair in self.pairs]]
        bleu, chrf = self._metrics
        return Verdict(
            bleu.corpus_score(texts, references).score,
            chrf.corpus_score(texts, references).score,
            str(bleu.get_signature()),
            str(chrf.get_signature()),
            translations,
        )

    def loss(self, translator: Translator) -> float:
        """The mean over all ids of the references of ``-log p``, in nats."""
        rows = self._rows(translator)
        total = 0.0
        for at in range(0, len(rows), _ROWS):
            some = rows[at : at + _ROWS]
            widths = [translator.width(max(map(len, side))) for side in zip(*some, strict=True)]
            padded = [np.zeros((_ROWS, width), np.int32) for width in widths]
            for number, pair in enumerate(some):
                for side, ids in zip(padded, pair, strict=True):
                    side[number, : len(ids)] = ids
            total -= float(translator.score(*padded).sum())
        return total / max(1, sum(len(target) - 1 for _, target in rows))

    def _rows(self, translator: Translator) -> list[tuple[list[int], list[int]]]:
        """The ids of the pairs that the model can read at once, short ones first."""
        most = translator.source_length
        source = translator.source.encode([pair.source for pair in self.pairs])
        target = translator.target.encode(
            [pair.target for pair in self.pairs], start=True, end=True
        )
        sides = zip(map(_unpadded, source), map(_unpadded, target), strict=True)
        rows = [pair for pair in sides if len(pair[0]) <= most and len(pair[1]) <= 2 * most]
        return sorted(rows, key=lambda pair: len(pair[1]))

    @cached_property
    def _metrics(self) -> tuple[BLEU, CHRF]:
        parting = self.parting or way_of_parting([pair.target for pair in self.pairs])
        return BLEU(lowercase=self.lowercase, tokenize=parting), CHRF(lowercase=self.lowercase)


def way_of_parting(texts: Sequence[str]) -> str:
    """sacrebleu's way to part texts into words: ``"13a"``, or for scripts without spaces ``"zh"``
    or ``"char"``.

    >>> way_of_parting(["Guten Tag!"]), way_of_parting(["你好。"]), way_of_parting(["こんにちは"])
    ('13a', 'zh', 'char')
    """
    names = [unicodedata.name(char, "") for char in "".join(texts[:200]) if char.isalpha()]
    unspaced = sum(name.startswith(_UNSPACED) for name in names)
    han = sum(name.startswith("CJK") for name in names)
    if unspaced + han <= len(names) / 2:
        return "13a"
    return "char" if unspaced > math.ceil(len(names) / 20) else "zh"


def _unpadded(row: Any) -> list[int]:
    ids: list[int] = row[row != 0].tolist()
    return ids
