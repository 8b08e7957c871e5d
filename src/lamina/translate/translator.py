"""A trained model with what turns text into its ids and back."""

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

_MOST_ROWS = 320  # that one run of the model follows, those of a beam counted each
_STEP = 4  # from one number of rows to the next, where all are compiled in advance
_NARROWEST = 16  # ids of a source row; others are twice as wide, and twice that
_ROOM = 8  # ids that a translation may have beyond twice its source's
_SENTENCE_ENDS = tuple(".!?。！？…؟۔।")
_SPACE = "\u2581"
_REPLACEMENT = "\ufffd"


class Translation(NamedTuple):
    """A text as it was read, what it was turned into, and where the model looked.

    ``attention`` is ``[target time, source time]``, its rows those of ``tokens``, and of the end
    mark where there is one; its columns those of ``source_tokens``. ``log_probability`` is of all
    ids written, ``ids`` of them.
    """

    source: str
    text: str
    attention: NDArray[np.float32]
    source_tokens: tuple[str, ...]
    tokens: tuple[str, ...]
    log_probability: float
    ids: int

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold: ``alignment`` pairs the number of each token written with that of the
        token it looked at most, and ``score`` is the mean of the logarithms of probability."""
        rows = self.attention[: len(self.tokens)]
        return {
            "source": self.source,
            "translation": self.text,
            "score": round(self.log_probability / max(1, self.ids), 4),
            "log_probability": round(self.log_probability, 4),
            "source_tokens": list(self.source_tokens),
            "tokens": list(self.tokens),
            "alignment": [[at, int(row.argmax())] for at, row in enumerate(rows)],
            "attention": [[round(weight, 4) for weight in row] for row in rows.tolist()],
        }


class _Piece(NamedTuple):
    """Part of a text that the model reads at once; which text, and what its ids stand for."""

    of: int
    ids: NDArray[np.int32]
    tokens: list[str]


@dataclass(frozen=True)
class Translator:
    """Turns texts into other texts.

    Args:
        model: trained on ids of ``source`` and ``target``, without marks around the source.
        source: what it reads.
        target: what it writes.
        source_length: the most ids a text may have.
        target_length: the most ids it writes, the end mark included.
        divides: whether longer texts are translated in parts, cut at the ends of sentences where
            there are any; otherwise they are refused.
        beam: how many translations are followed at once, unless a call says otherwise.
        length_penalty: of the beam search.
        swapped: whether it learnt from pairs whose first column is the translation; those that it
            is judged by are then read so too.
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
        """The translations of ``texts``, in their order; an empty text stays empty.

        Tokens never seen in training are read as unknown: there is an answer to any text. Where
        the model writes that it knows no word, and looks at such a place, what stands there is
        copied.

        Raises:
            InputError: a text is longer than ``source_length``, spaces at its ends apart, and the
                translator does not divide texts; ``texts`` is a bare string; the beam is not above
                0.
        """
        return [translation.text for translation in self.translate(texts, beam)]

    def translate(
        self, texts: Sequence[str], beam: int | None = None, *, batch: int | None = None
    ) -> list[Translation]:
        """The same, with tokens, attention and probability.

        Args:
            texts: any number of strings.
            beam: how many translations are followed at once; the translator's own if None.
            batch: the most texts, or parts of texts, that one run of the model reads, a positive
                integer; as many as are translated fastest if None.
        """
        beam = self.beam if beam is None else beam
        pieces = list(self._pieces(texts))
        # Texts of one length together, so that little is padded.
        order = sorted(range(len(pieces)), key=lambda at: len(pieces[at].ids))
        rows = _rows(_MOST_ROWS // max(1, beam), 2) if batch is None else _rows(batch, _STEP)
        size = rows[-1]
        found: dict[int, Translation] = {}
        for first in range(0, len(order), size):
            some = order[first : first + size]
            found |= zip(some, self._run([pieces[at] for at in some], beam, rows), strict=True)
        parts: list[list[Translation]] = [[] for _ in texts]
        for at, piece in enumerate(pieces):
            parts[piece.of].append(found[at])
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
        """Find out whether a text can be translated.

        Raises:
            InputError: it is too long, and the translator does not divide texts.
        """
        if not self.divides:
            self._check_length(self.source.split(text))

    def sizes(self, batch: int) -> list[tuple[int, int]]:
        """The sizes, rows and ids a row, that :meth:`translate` runs the model in.

        Args:
            batch: that of :meth:`translate`.
        """
        widths = [self.width(0)]
        while widths[-1] < self.source_length:
            widths.append(self.width(widths[-1] + 1))
        return [(rows, width) for width in widths for rows in _rows(batch, _STEP)]

    def prepare(self, size: tuple[int, int]) -> None:
        """Compile the model for one of :meth:`sizes`, so that no translation waits for it."""
        ids = np.full(size, self.source.unknown, np.int32)
        np.asarray(self._decode(ids, self.beam).tokens)  # wait for it

    def width(self, longest: int) -> int:
        """The number of ids that rows are padded to, so that few sizes are compiled."""
        doublings = max(0, math.ceil(math.log2(max(1, longest) / _NARROWEST)))
        return min(_NARROWEST << doublings, max(self.source_length, longest))

    def _pieces(self, texts: Sequence[str]) -> Iterator[_Piece]:
        """The parts of each text in their order, one or more."""
        rows = self.source.encode(texts)
        for at, (text, row) in enumerate(zip(texts, rows, strict=True)):
            tokens = self.source.split(text)
            if not self.divides:
                self._check_length(tokens)
            for part in _parts(tokens, self.source_length):
                yield _Piece(at, row[part], tokens[part])

    def _run(self, pieces: list[_Piece], beam: int, rows: list[int]) -> list[Translation]:
        """Translate pieces padded to one of the numbers of rows, so that few are compiled."""
        width = self.width(max(len(piece.ids) for piece in pieces))
        ids = np.full((rows[bisect_left(rows, len(pieces))], width), self.source.pad, np.int32)
        for row, piece in zip(ids, pieces, strict=False):
            row[: len(piece.ids)] = piece.ids
        found = zip(pieces, *map(np.asarray, self._decode(ids, beam)), strict=False)
        return [self._translation(*one) for one in found]

    def _decode(self, ids: NDArray[np.int32], beam: int) -> Decoded:
        most = min(self.target_length, 2 * ids.shape[1] + _ROOM)
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
        looked = attention[: len(pieces) + 1, : len(source)]
        for at, token in enumerate(pieces):
            place = int(looked[at].argmax()) if token == _REPLACEMENT else -1
            if place >= 0 and piece.ids[place] == self.source.unknown:
                pieces[at] = source[place]
        count = int((ids != self.target.pad).sum()) if source else 0
        told = float(log_probability) if source else 0.0
        text = self.target.join(pieces)
        return Translation(
            self.source.join(source), text, looked, tuple(source), tuple(pieces), told, count
        )

    def _joined(self, parts: list[Translation]) -> Translation:
        """The translations of the parts of a text as one."""
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
        """The model's ``score`` of rows of ids, compiled."""
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
                    remedy="Give one date at a time, or shorten the text.",
                )
            )


def _rows(most: int, step: int) -> list[int]:
    """Powers of two up to ``most``, each ``step`` times the one before, from 1 on."""
    rows = [1 << max(0, most.bit_length() - 1)]
    while rows[0] > 1:
        rows.insert(0, max(1, rows[0] // step))
    return rows


def _parts(tokens: list[str], most: int) -> Iterator[slice]:
    """Where a text is cut so that no part is too long: behind the last sentence that fits, else
    before the last word, else where it must be."""
    at = 0
    while len(tokens) - at > most:
        end = at + most
        ends = [n for n in range(at + 1, end + 1) if tokens[n - 1].endswith(_SENTENCE_ENDS)]
        words = [n for n in range(at + 1, end + 1) if tokens[n].startswith(_SPACE)]
        cut = (ends or words or [end])[-1]
        yield slice(at, cut)
        at = cut
    yield slice(at, len(tokens))
