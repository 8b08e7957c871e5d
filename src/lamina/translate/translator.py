"""A trained model with its vocabularies."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import lamina
from lamina.errors import InputError, explain
from lamina.seq2seq import Decoded, Seq2Seq
from lamina.translate.vocabulary import Tokens

__all__ = ["Translation", "Translator"]

_MAX_ROWS = 320  # per run of the model: texts times beam width
_STEP = 4  # ratio of consecutive batch sizes, if all are compiled in advance
_MIN_WIDTH = 16  # ids per source row; larger widths are 16 times a power of two
_EXTRA = 8  # ids a translation may have beyond twice the length of its source
_SENTENCE_ENDS = tuple(".!?。！？…؟۔।")
_SPACE = "\u2581"
_REPLACEMENT = "\ufffd"


class Translation(NamedTuple):
    """A text, its translation and the attention between them.

    Attributes:
        source: the text after normalization.
        text: the translation.
        attention: weights ``[target time, source time]``; the last row may be of the end token.
        source_tokens: tokens of the source.
        tokens: tokens of the translation.
        log_probability: log-probability of all generated ids, in nats.
        ids: number of generated ids.
    """

    source: str
    text: str
    attention: NDArray[np.float32]
    source_tokens: tuple[str, ...]
    tokens: tuple[str, ...]
    log_probability: float
    ids: int

    def to_dict(self) -> dict[str, Any]:
        """The translation as JSON data.

        ``alignment`` pairs the index of each target token with the index of the source token that
        has the largest attention weight. ``score`` is the mean log-probability per id.
        """
        rows = self.attention[: len(self.tokens)]
        return {
            "source": self.source,
            "translation": self.text,
            "score": round(self.log_probability / max(1, self.ids), 4),
            "log_probability": round(self.log_probability, 4),
            "source_tokens": list(self.source_tokens),
            "tokens": list(self.tokens),
            "alignment": [[index, int(row.argmax())] for index, row in enumerate(rows)],
            "attention": [[round(weight, 4) for weight in row] for row in rows.tolist()],
        }


class _Piece(NamedTuple):
    """A part of text number ``of`` that fits into the model, with its ids and tokens."""

    of: int
    ids: NDArray[np.int32]
    tokens: list[str]


@dataclass(frozen=True)
class Translator:
    """Translates texts.

    Args:
        model: a model trained on ids of ``source`` and ``target``. Sources have no start and end
            tokens.
        source: source vocabulary.
        target: target vocabulary.
        source_length: maximum number of ids per source.
        target_length: maximum number of ids per translation, including the end token.
        divides: whether longer texts are split, preferably at the ends of sentences, and translated
            in parts. If False, longer texts are errors. Default: False.
        beam: default beam width. Default: 1.
        length_penalty: length normalization exponent of the beam search. Default: 0.
        swapped: whether the first column of the training pairs was the translation. Evaluation then
            reads its pairs in the same way. Default: False.
    """

    model: Seq2Seq
    source: Tokens
    target: Tokens
    source_length: int
    target_length: int
    divides: bool = False
    beam: int = 1
    length_penalty: float = 0.0
    swapped: bool = False

    def __call__(self, texts: Sequence[str], beam: int | None = None) -> list[str]:
        """Translate texts. Empty texts have empty translations.

        Unknown source tokens are copied to the translation where the model generates the unknown
        token and attends most to them.

        Args:
            texts: a sequence of strings.
            beam: beam width; the translator's own if None.

        Raises:
            InputError: a text is longer than ``source_length`` and ``divides`` is False; ``texts``
                is a single string; or ``beam`` is not a positive integer.
        """
        return [translation.text for translation in self.translate(texts, beam)]

    def translate(
        self, texts: Sequence[str], beam: int | None = None, *, batch: int | None = None
    ) -> list[Translation]:
        """Translate texts, and return tokens, attention and probabilities as well.

        Args:
            texts: a sequence of strings.
            beam: beam width, a positive integer; the translator's own if None.
            batch: maximum number of texts or parts of texts per run of the model, a positive
                integer. Default: the fastest size.
        """
        beam = self.beam if beam is None else beam
        pieces = list(self._pieces(texts))
        # Sort by length to reduce padding.
        order = sorted(range(len(pieces)), key=lambda index: len(pieces[index].ids))
        rows = _rows(_MAX_ROWS // max(1, beam), 2) if batch is None else _rows(batch, _STEP)
        size = rows[-1]
        found: dict[int, Translation] = {}
        for first in range(0, len(order), size):
            some = order[first : first + size]
            found |= zip(
                some, self._run([pieces[index] for index in some], beam, rows), strict=True
            )
        parts: list[list[Translation]] = [[] for _ in texts]
        for index, piece in enumerate(pieces):
            parts[piece.of].append(found[index])
        return [self._joined(part) for part in parts]

    def read(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """The ids of texts, ``[batch, source_length]``.

        Raises:
            InputError: a text is too long.
        """
        if not isinstance(texts, str):
            for text in texts:
                self._check_length(self.source.split(text))
        return self.source.encode(texts, self.source_length)

    def check(self, text: str) -> None:
        """Check that a text can be translated.

        Raises:
            InputError: the text is too long and ``divides`` is False.
        """
        if not self.divides:
            self._check_length(self.source.split(text))

    def sizes(self, batch: int) -> list[tuple[int, int]]:
        """All array shapes, rows and ids per row, that :meth:`translate` passes to the model.

        Args:
            batch: the argument ``batch`` of :meth:`translate`.
        """
        widths = [self.width(0)]
        while widths[-1] < self.source_length:
            widths.append(self.width(widths[-1] + 1))
        return [(rows, width) for width in widths for rows in _rows(batch, _STEP)]

    def prepare(self, size: tuple[int, int]) -> None:
        """Compile the model for one of :meth:`sizes` in advance."""
        ids = np.full(size, self.source.unknown, np.int32)
        np.asarray(self._decode(ids, self.beam).tokens)  # wait for the compilation

    def width(self, longest: int) -> int:
        """The width that rows are padded to: one of a few sizes, each compiled once."""
        doublings = max(0, math.ceil(math.log2(max(1, longest) / _MIN_WIDTH)))
        return min(_MIN_WIDTH << doublings, max(self.source_length, longest))

    def _pieces(self, texts: Sequence[str]) -> Iterator[_Piece]:
        """The parts of all texts, in order; at least one per text."""
        rows = self.source.encode(texts)
        for at, (text, row) in enumerate(zip(texts, rows, strict=True)):
            tokens = self.source.split(text)
            if not self.divides:
                self._check_length(tokens)
            for part in _parts(tokens, self.source_length):
                yield _Piece(at, row[part], tokens[part])

    def _run(self, pieces: list[_Piece], beam: int, rows: list[int]) -> list[Translation]:
        """Translate pieces, padded to one of the compiled batch sizes."""
        width = self.width(max(len(piece.ids) for piece in pieces))
        ids = np.full((rows[bisect_left(rows, len(pieces))], width), self.source.pad, np.int32)
        for row, piece in zip(ids, pieces, strict=False):
            row[: len(piece.ids)] = piece.ids
        found = zip(pieces, *map(np.asarray, self._decode(ids, beam)), strict=False)
        return [self._translation(*one) for one in found]

    def _decode(self, ids: NDArray[np.int32], beam: int) -> Decoded:
        most = min(self.target_length, 2 * ids.shape[1] + _EXTRA)
        return self._generate(ids, most, beam, self.length_penalty if beam > 1 else 0.0)

    def _translation(
        self,
        piece: _Piece,
        ids: NDArray[np.int32],
        log_probability: NDArray[np.float32],
        attention: NDArray[np.float32],
    ) -> Translation:
        source = piece.tokens
        pieces = self.target.spell(ids) if source else []
        weights = attention[: len(pieces) + 1, : len(source)]
        for index, token in enumerate(pieces):
            position = int(weights[index].argmax()) if token == _REPLACEMENT else -1
            if position >= 0 and piece.ids[position] == self.source.unknown:
                pieces[index] = source[position]
        count = int((ids != self.target.pad).sum()) if source else 0
        score = float(log_probability) if source else 0.0
        text = self.target.join(pieces)
        return Translation(
            self.source.join(source), text, weights, tuple(source), tuple(pieces), score, count
        )

    def _joined(self, parts: list[Translation]) -> Translation:
        """Concatenate the translations of the parts of a text."""
        if len(parts) == 1:
            return parts[0]
        source = [token for part in parts for token in part.source_tokens]
        tokens = [token for part in parts for token in part.tokens]
        attention = np.zeros((len(tokens), len(source)), np.float32)
        row = column = 0
        for part in parts:
            down, across = len(part.tokens), len(part.source_tokens)
            attention[row : row + down, column : column + across] = part.attention[:down]
            row, column = row + down, column + across
        return Translation(
            self.source.join(source),
            " ".join(part.text for part in parts if part.text),
            attention,
            tuple(source),
            tuple(tokens),
            sum(part.log_probability for part in parts),
            sum(part.ids for part in parts),
        )

    @cached_property
    def score(self) -> Any:
        """The compiled ``score`` method of the model."""
        return lamina.jit(self.model, method="score")

    @cached_property
    def _generate(self) -> Any:
        return lamina.jit(self.model, method="generate")

    def _check_length(self, tokens: Sequence[str]) -> None:
        if len(tokens) > self.source_length:
            text = self.source.join(tokens)
            raise InputError(
                explain(
                    "A text is too long to translate.",
                    expected=f"at most {self.source_length} characters",
                    received=f"{len(tokens)} characters: {text[:40]!r}...",
                    remedy="Shorten the text, or translate it in parts.",
                )
            )


def _rows(most: int, step: int) -> list[int]:
    """Batch sizes up to the largest power of two <= ``most``, each ``step`` times the last."""
    rows = [1 << max(0, most.bit_length() - 1)]
    while rows[0] > 1:
        rows.insert(0, max(1, rows[0] // step))
    return rows


def _parts(tokens: list[str], most: int) -> Iterator[slice]:
    """Split a text into parts of at most ``most`` tokens: after a sentence, else before a word,
    else anywhere."""
    at = 0
    while len(tokens) - at > most:
        end = at + most
        ends = [n for n in range(at + 1, end + 1) if tokens[n - 1].endswith(_SENTENCE_ENDS)]
        words = [n for n in range(at + 1, end + 1) if tokens[n].startswith(_SPACE)]
        cut = (ends or words or [end])[-1]
        yield slice(at, cut)
        at = cut
    yield slice(at, len(tokens))
