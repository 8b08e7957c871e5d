"""Pieces of words as ids, learnt from texts: what models of sentences read and write.

The pieces come from the library tokenizers: byte-pair encoding, single characters, or words. A word
begins with U+2581, a low line, so that pieces in a row are a text again, spaces and all.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from lamina.errors import FileFormatError, InputError, UnknownNameError, explain, nearest
from lamina.json_text import read_json
from lamina.translate.vocabulary import is_shown, refuse_bare_string

__all__ = ["Kind", "Subwords", "tidy"]

Kind = Literal["bpe", "characters", "words"]

_FORMAT = "lamina.subwords/1"
_SPACE = "\u2581"  # what stands for the space before a word
_SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")
_REPLACEMENT = "\ufffd"
_JOINERS = "\u200c\u200d"  # invisible, yet letters hang together or not by them
_FEWEST = 2  # times a pair of pieces must be seen together to become one


def tidy(text: str) -> str:
    """``text`` in NFC, without control characters and marks that show nothing, every run of white
    space one plain space.

    >>> tidy("  Guten\\u00a0 Tag\\u200b!\\x07 ")
    'Guten Tag!'
    """
    text = unicodedata.normalize("NFC", text).replace(_SPACE, "_")
    if not text.isprintable():
        text = "".join(map(_shown, text))
    return " ".join(text.split())


def _shown(char: str) -> str:
    if char.isspace() or char in _JOINERS:
        return char
    kind = unicodedata.category(char)
    return _REPLACEMENT if kind == "Cs" else "" if kind in ("Cc", "Cf") else char


@dataclass(frozen=True, eq=False)
class Subwords:
    """The pieces a model knows, each with its id; ids 0 to 3 are pad, start, end and unknown.

    Text is passed through :func:`tidy` on its way in. Characters that were not learnt are one
    unknown id for each run of them.

    >>> pieces = Subwords.learn(["low lower lowest"] * 9, 20)
    >>> pieces.split("lower low")
    ['▁lower', '▁low']
    >>> pieces.join(pieces.spell(pieces.encode(["lower low"])[0]))
    'lower low'
    """

    pad: ClassVar[int] = 0
    start: ClassVar[int] = 1
    end: ClassVar[int] = 2
    unknown: ClassVar[int] = 3

    definition: str

    @classmethod
    def learn(cls, texts: Iterable[str], count: int, kind: Kind = "bpe") -> Subwords:
        """The pieces of texts.

        Args:
            texts: any number of strings.
            count: the most ids, the four special ones included.
            kind: ``"bpe"``, the pairs of pieces most often seen together; ``"characters"``;
                ``"words"``, the most frequent, and marks of punctuation.

        Raises:
            UnknownNameError: there is no such kind.
            InputError: the count is too small for anything.
        """
        if kind not in get_args(Kind):
            raise UnknownNameError(
                explain(f"There are no pieces of kind {kind!r}.", remedy=nearest(kind, _KINDS))
            )
        if count < 2 * len(_SPECIAL):
            raise InputError(
                explain(
                    "A vocabulary this small holds nothing.",
                    expected=f"{2 * len(_SPECIAL)} ids or more",
                    received=f"{count}",
                    remedy="Choose 4000, for example.",
                )
            )
        model, trainer = _KINDS[kind](count)
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = _parting()
        tokenizer.train_from_iterator(map(tidy, texts), trainer)
        definition = json.loads(tokenizer.to_str())
        # Otherwise a text with the letters <pad> in it would be padding.
        definition["added_tokens"] = []
        return cls(json.dumps(definition, ensure_ascii=False))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Subwords) and self.definition == other.definition

    def __hash__(self) -> int:
        return hash(self.definition)

    def __len__(self) -> int:
        """The number of ids."""
        return self._tokenizer.get_vocab_size()

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, without marks."""
        refuse_bare_string(texts, "Subwords.ids")
        found = self._tokenizer.encode_batch(list(map(tidy, texts)), add_special_tokens=False)
        return [list(encoding.ids) for encoding in found]

    def encode(
        self,
        texts: Sequence[str],
        length: int | None = None,
        *,
        start: bool = False,
        end: bool = False,
    ) -> NDArray[np.int32]:
        """The ids of ``texts``, ``[batch, time]``, padded with ``pad`` at the right.

        Raises:
            InputError: a row is longer than ``length``.
        """
        rows = [[self.start] * start + row + [self.end] * end for row in self.ids(texts)]
        longest = max(map(len, rows), default=0)
        if length is not None and longest > length:
            raise InputError(
                explain(
                    "A text is too long to encode.",
                    expected=f"at most {length} ids a row, marks included",
                    received=f"{longest} ids",
                    remedy="Shorten the text, or encode with a larger length.",
                )
            )
        ids = np.full((len(rows), longest if length is None else length), self.pad, np.int32)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = row
        return ids

    def split(self, text: str) -> list[str]:
        """What each id of a text stands for; of an unknown one, the characters themselves."""
        text = tidy(text)
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        known = zip(encoding.ids, encoding.tokens, encoding.offsets, strict=True)
        return [
            text[first:last].replace(" ", _SPACE) if id_ == self.unknown else token
            for id_, token, (first, last) in known
        ]

    def spell(self, ids: ArrayLike) -> list[str]:
        """The pieces of ids ``[time]`` up to ``end``; an unknown one is U+FFFD."""
        row: list[int] = np.asarray(ids).tolist()
        shown = row[: row.index(self.end)] if self.end in row else row
        return [
            _REPLACEMENT if id_ == self.unknown else self._pieces[id_]
            for id_ in shown
            if id_ not in (self.pad, self.start)
        ]

    def join(self, pieces: Sequence[str]) -> str:
        """The text that pieces in a row are."""
        return " ".join("".join(pieces).replace(_SPACE, " ").split())

    def to_json(self) -> str:
        """These pieces as JSON text, for :meth:`from_json`."""
        held = {"format": _FORMAT, "tokenizer": json.loads(self.definition)}
        return json.dumps(held, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Subwords:
        """The pieces that :meth:`to_json` wrote.

        Raises:
            FileFormatError: ``text`` is not JSON, or not of pieces.
        """
        try:
            held = read_json(text, "The pieces")
            if held["format"] != _FORMAT:
                raise KeyError(_FORMAT)
            made = cls(json.dumps(held["tokenizer"], ensure_ascii=False))
            _check_pieces(made._pieces)
        except Exception as error:  # what tokenizers raises has no narrower class
            raise FileFormatError(
                explain(
                    "These are not the pieces of a vocabulary.",
                    expected=f'JSON with "format": "{_FORMAT}" and "tokenizer"',
                    received=f"{text[:57]!r}...",
                    remedy="Read a text that Subwords.to_json wrote.",
                )
            ) from error
        return made

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        """Put together here: of the definition only the pieces count, and how they are joined."""
        definition = json.loads(self.definition)
        tokenizer = Tokenizer(_model_of(definition["model"]))
        tokenizer.pre_tokenizer = _parting()
        parts = [part["type"] for part in definition["pre_tokenizer"]["pretokenizers"]]
        if parts != ["Metaspace", "Punctuation", "Split"] or definition["normalizer"] is not None:
            raise ValueError(f"texts are parted by {parts}")
        return tokenizer

    @cached_property
    def _pieces(self) -> list[str]:
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=False)
        return sorted(vocabulary, key=vocabulary.__getitem__)


def _model_of(model: Any) -> Any:
    """The model of a tokenizer's definition: its pieces, and which pairs of them become one."""
    vocabulary: dict[str, int] = model["vocab"]
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise ValueError("ids are not counted from 0 on")
    if model["type"] == "WordLevel":
        return models.WordLevel(vocab=vocabulary, unk_token=_SPECIAL[3])
    if model["type"] != "BPE":
        raise ValueError(f"pieces of the kind {model['type']}")
    pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
    merges = [(first, second) for first, second in pairs]
    # the library does not check this, and panics
    if not all({first, second, first + second} <= vocabulary.keys() for first, second in merges):
        raise ValueError("a pair of what is no piece")
    return models.BPE(vocab=vocabulary, merges=merges, unk_token=_SPECIAL[3], fuse_unk=True)


def _check_pieces(pieces: list[str]) -> None:
    if tuple(pieces[: len(_SPECIAL)]) != _SPECIAL or not all(map(is_shown, pieces)):
        raise ValueError("the first four pieces are no marks, or one is no text to be shown")


def _parting() -> Any:
    """Texts are parted at spaces, at marks of punctuation, and between digits."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(_SPACE),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
        ]
    )


def _bpe(count: int, alphabet: int | None = None) -> tuple[Any, Any]:
    trainer = trainers.BpeTrainer(
        vocab_size=count,
        min_frequency=_FEWEST,
        limit_alphabet=count // 2 if alphabet is None else alphabet,
        special_tokens=list(_SPECIAL),
        show_progress=False,
    )
    return models.BPE(unk_token=_SPECIAL[3], fuse_unk=True), trainer


def _characters(count: int) -> tuple[Any, Any]:
    """Byte-pair encoding that stops at the alphabet."""
    model, trainer = _bpe(len(_SPECIAL), count - len(_SPECIAL))
    return model, trainer


def _words(count: int) -> tuple[Any, Any]:
    return models.WordLevel(unk_token=_SPECIAL[3]), trainers.WordLevelTrainer(
        vocab_size=count,
        min_frequency=_FEWEST,
        special_tokens=list(_SPECIAL),
        show_progress=False,
    )


_KINDS = {"bpe": _bpe, "characters": _characters, "words": _words}
