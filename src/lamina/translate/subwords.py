"""Vocabularies of subwords, learned from texts: byte-pair encoding, characters or words.

The tokenization uses the package tokenizers. The first token of a word starts with U+2581, so that
concatenated tokens give the text, including its spaces.
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
_SPACE = "\u2581"  # represents the space before a word
_SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")
_REPLACEMENT = "\ufffd"
_JOINERS = "\u200c\u200d"  # invisible, but they determine how letters join
_MIN_FREQUENCY = 2  # of a pair of tokens that BPE merges, and of a word


def tidy(text: str) -> str:
    """Normalize a text: NFC, no control or invisible characters, single spaces between words.

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
    """A vocabulary of subwords. The ids 0 to 3 are ``pad``, ``start``, ``end`` and ``unknown``.

    Texts are normalized with :func:`tidy`. Each run of characters that are not in the vocabulary is
    one unknown id.

    Args:
        definition: the tokenizer as JSON, as written by the package tokenizers.

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
        """Learn a vocabulary from texts.

        Args:
            texts: training texts.
            count: maximum number of ids, including the four special ones; at least 8.
            kind: ``"bpe"`` for byte-pair encoding, ``"characters"``, or ``"words"`` for the most
                frequent words and punctuation marks. Default: ``"bpe"``.

        Raises:
            UnknownNameError: the kind is unknown.
            InputError: the count is less than 8.
        """
        if kind not in get_args(Kind):
            raise UnknownNameError(
                explain(f"There is no tokenization {kind!r}.", remedy=nearest(kind, _KINDS))
            )
        if count < 2 * len(_SPECIAL):
            raise InputError(
                explain(
                    "The vocabulary size is too small.",
                    expected=f"at least {2 * len(_SPECIAL)} ids",
                    received=f"{count}",
                    remedy="Use a larger size, for example 4000.",
                )
            )
        model, trainer = _KINDS[kind](count)
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = _pre_tokenizer()
        tokenizer.train_from_iterator(map(tidy, texts), trainer)
        definition = json.loads(tokenizer.to_str())
        # Otherwise the characters "<pad>" in a text would be read as padding.
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
        """The ids of each text, without start and end tokens."""
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
        """Encode texts as ids ``[batch, time]``, padded with ``pad`` at the end.

        Args:
            texts: a sequence of strings.
            length: number of columns. Default: the longest row.
            start: whether to add a start token. Default: False.
            end: whether to add an end token. Default: False.

        Raises:
            InputError: a row is longer than ``length``.
        """
        rows = [[self.start] * start + row + [self.end] * end for row in self.ids(texts)]
        longest = max(map(len, rows), default=0)
        if length is not None and longest > length:
            raise InputError(
                explain(
                    "A text is too long to encode.",
                    expected=f"at most {length} ids per row, including special tokens",
                    received=f"{longest} ids",
                    remedy="Shorten the text, or use a larger length.",
                )
            )
        ids = np.full((len(rows), longest if length is None else length), self.pad, np.int32)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
        return ids

    def split(self, text: str) -> list[str]:
        """The tokens of a text. Unknown tokens keep their characters."""
        text = tidy(text)
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        known = zip(encoding.ids, encoding.tokens, encoding.offsets, strict=True)
        return [
            text[first:last].replace(" ", _SPACE) if id_ == self.unknown else token
            for id_, token, (first, last) in known
        ]

    def spell(self, ids: ArrayLike) -> list[str]:
        """The tokens of ids ``[time]`` before ``end``. Unknown ids become U+FFFD."""
        row: list[int] = np.asarray(ids).tolist()
        shown = row[: row.index(self.end)] if self.end in row else row
        return [
            _REPLACEMENT if id_ == self.unknown else self._pieces[id_]
            for id_ in shown
            if id_ not in (self.pad, self.start)
        ]

    def join(self, pieces: Sequence[str]) -> str:
        """Concatenate tokens to a text."""
        return " ".join("".join(pieces).replace(_SPACE, " ").split())

    def to_json(self) -> str:
        """The vocabulary as JSON, for :meth:`from_json`."""
        held = {"format": _FORMAT, "tokenizer": json.loads(self.definition)}
        return json.dumps(held, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Subwords:
        """Read a vocabulary written by :meth:`to_json`.

        Raises:
            FileFormatError: ``text`` is not JSON, or not a vocabulary of subwords.
        """
        try:
            held = read_json(text, "The vocabulary")
            if held["format"] != _FORMAT:
                raise KeyError(_FORMAT)
            made = cls(json.dumps(held["tokenizer"], ensure_ascii=False))
            _check_pieces(made._pieces)
        except Exception as error:  # tokenizers raises plain Exception
            raise FileFormatError(
                explain(
                    "This is not a vocabulary of subwords.",
                    expected=f'JSON with "format": "{_FORMAT}" and "tokenizer"',
                    received=f"{text[:57]!r}...",
                    remedy="Use a text written by Subwords.to_json.",
                )
            ) from error
        return made

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        """The tokenizer. Only the vocabulary and the merges are taken from the definition."""
        definition = json.loads(self.definition)
        tokenizer = Tokenizer(_model_of(definition["model"]))
        tokenizer.pre_tokenizer = _pre_tokenizer()
        parts = [part["type"] for part in definition["pre_tokenizer"]["pretokenizers"]]
        if parts != ["Metaspace", "Punctuation", "Split"] or definition["normalizer"] is not None:
            raise ValueError(f"pre-tokenizers {parts}")
        return tokenizer

    @cached_property
    def _pieces(self) -> list[str]:
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=False)
        return sorted(vocabulary, key=vocabulary.__getitem__)


def _model_of(model: Any) -> Any:
    """The model of a tokenizer definition, with its vocabulary and merges."""
    vocabulary: dict[str, int] = model["vocab"]
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise ValueError("ids are not consecutive from 0")
    if model["type"] == "WordLevel":
        return models.WordLevel(vocab=vocabulary, unk_token=_SPECIAL[3])
    if model["type"] != "BPE":
        raise ValueError(f"model type {model['type']}")
    pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
    merges = [(first, second) for first, second in pairs]
    # tokenizers panics otherwise
    if not all({first, second, first + second} <= vocabulary.keys() for first, second in merges):
        raise ValueError("a merge of unknown tokens")
    return models.BPE(vocab=vocabulary, merges=merges, unk_token=_SPECIAL[3], fuse_unk=True)


def _check_pieces(pieces: list[str]) -> None:
    if tuple(pieces[: len(_SPECIAL)]) != _SPECIAL or not all(map(is_shown, pieces)):
        raise ValueError("special tokens are missing, or a token is not printable")


def _pre_tokenizer() -> Any:
    """Split texts at spaces, at punctuation marks and between digits."""
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
        min_frequency=_MIN_FREQUENCY,
        limit_alphabet=count // 2 if alphabet is None else alphabet,
        special_tokens=list(_SPECIAL),
        show_progress=False,
    )
    return models.BPE(unk_token=_SPECIAL[3], fuse_unk=True), trainer


def _characters(count: int) -> tuple[Any, Any]:
    """Byte-pair encoding without merges."""
    model, trainer = _bpe(len(_SPECIAL), count - len(_SPECIAL))
    return model, trainer


def _words(count: int) -> tuple[Any, Any]:
    return models.WordLevel(unk_token=_SPECIAL[3]), trainers.WordLevelTrainer(
        vocab_size=count,
        min_frequency=_MIN_FREQUENCY,
        special_tokens=list(_SPECIAL),
        show_progress=False,
    )


_KINDS = {"bpe": _bpe, "characters": _characters, "words": _words}
