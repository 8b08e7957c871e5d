"""Evaluation of translators: BLEU and chrF, computed by sacrebleu, and the loss."""

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

__all__ = ["Evaluator", "Scores", "tokenizer_for"]

_ROWS = 64  # per batch of the loss
# Scripts without spaces between words, as prefixes of Unicode character names.
_UNSPACED = ("HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


class Scores(NamedTuple):
    """Scores of a translator on a set of pairs.

    Attributes:
        bleu: in [0, 100].
        chrf: in [0, 100].
        bleu_signature: sacrebleu's signature of the BLEU settings.
        chrf_signature: sacrebleu's signature of the chrF settings.
        translations: one for each pair, in order.
    """

    bleu: float
    chrf: float
    bleu_signature: str
    chrf_signature: str
    translations: list[Translation]


class Evaluator:
    """Evaluates translators on sentence pairs.

    Args:
        pairs: texts and their reference translations.
        lowercase: whether the scores are case-insensitive. Default: False.
        tokenize: sacrebleu's name of the tokenizer for BLEU. If None, :func:`tokenizer_for`
            selects it from the references.
    """

    def __init__(
        self, pairs: Sequence[Pair], lowercase: bool = False, tokenize: str | None = None
    ) -> None:
        self.pairs = pairs
        self.lowercase = lowercase
        self.tokenize = tokenize

    def __call__(self, translator: Translator, beam: int | None = None) -> Scores:
        """Translate the sources and compare the translations with the references.

        Args:
            translator: the translator to evaluate.
            beam: beam width; the translator's own if None.
        """
        translations = translator.translate([pair.source for pair in self.pairs], beam)
        texts = [translation.text for translation in translations]
        references = [[pair.target for pair in self.pairs]]
        bleu, chrf = self._metrics
        return Scores(
            bleu.corpus_score(texts, references).score,
            chrf.corpus_score(texts, references).score,
            str(bleu.get_signature()),
            str(chrf.get_signature()),
            translations,
        )

    def loss(self, translator: Translator) -> float:
        """Mean cross-entropy per token of the references, in nats."""
        rows = self._rows(translator)
        total = 0.0
        for first in range(0, len(rows), _ROWS):
            batch = rows[first : first + _ROWS]
            widths = [translator.width(max(map(len, side))) for side in zip(*batch, strict=True)]
            padded = [np.zeros((_ROWS, width), np.int32) for width in widths]
            for number, pair in enumerate(batch):
                for side, ids in zip(padded, pair, strict=True):
                    side[number, : len(ids)] = ids
            total -= float(translator.score(*padded).sum())
        return total / max(1, sum(len(target) - 1 for _, target in rows))

    def _rows(self, translator: Translator) -> list[tuple[list[int], list[int]]]:
        """Ids of the pairs that fit into the model, sorted by target length."""
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
        tokenizer = self.tokenize or tokenizer_for([pair.target for pair in self.pairs])
        return BLEU(lowercase=self.lowercase, tokenize=tokenizer), CHRF(lowercase=self.lowercase)


def tokenizer_for(texts: Sequence[str]) -> str:
    """Select sacrebleu's tokenizer by script: ``"13a"``, or for scripts without spaces ``"zh"`` or
    ``"char"``.

    >>> tokenizer_for(["Guten Tag!"]), tokenizer_for(["你好。"]), tokenizer_for(["こんにちは"])
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
