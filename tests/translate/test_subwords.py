"""Pieces of words: learnt from texts, back to texts, and in no text mistaken for a mark."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import FileFormatError, InputError, UnknownNameError
from lamina.translate.subwords import Subwords, tidy

TEXTS = [
    "Zwei junge weiße Männer sind im Freien.",
    "Ein kleines Mädchen klettert in ein Spielhaus aus Holz.",
    "Mehrere Männer mit Schutzhelmen; 12 oder 2024?",
    "她 在 房间里。",
    "الرجل يقرأ الكتاب",
] * 3


@pytest.fixture(scope="module", params=["bpe", "characters", "words"])
def pieces(request) -> Subwords:
    return Subwords.learn(TEXTS, 400, request.param)


def test_texts_come_back(pieces) -> None:
    rows = pieces.encode(TEXTS, start=True, end=True)
    assert rows.dtype == np.int32
    for text, row in zip(TEXTS, rows, strict=True):
        assert pieces.join(pieces.spell(row)) == tidy(text)
        assert pieces.join(pieces.split(text)) == tidy(text)
        assert len(pieces.split(text)) == len(pieces.ids([text])[0])
    assert len(pieces) <= 400
    assert rows.max() < len(pieces)


def test_equal_texts_give_equal_pieces(pieces) -> None:
    again = Subwords.from_json(pieces.to_json())
    assert again == pieces
    assert hash(again) == hash(pieces)
    assert again.ids(TEXTS) == pieces.ids(TEXTS)


@given(st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_text_has_ids_and_no_mark_among_them(text: str) -> None:
    pieces = PIECES
    (row,) = pieces.ids([text])
    assert not {pieces.pad, pieces.start, pieces.end} & set(row)
    assert len(pieces.split(text)) == len(row)
    assert tidy(tidy(text)) == tidy(text)


PIECES = Subwords.learn(TEXTS, 200)


def test_names_of_marks_are_text_like_any_other(pieces) -> None:
    for name in ("<pad>", "<start>", "<end>", "<unknown>", "</s>"):
        assert not {0, 1, 2} & set(pieces.ids([f"Holz {name} Holz"])[0])


def test_unknown_characters_are_known_by_themselves() -> None:
    assert PIECES.split("Männer 東京!")[-2:] in (["東京", "!"], ["▁東京", "!"])
    (row,) = PIECES.ids(["Männer 東京"])
    assert row[-1] == PIECES.unknown
    assert PIECES.spell(row)[-1] == "\ufffd"


def test_marks_end_a_text() -> None:
    (row,) = PIECES.ids(["Männer"])
    assert PIECES.join(PIECES.spell([1, *row, 2, *row, 0])) == "Männer"
    assert PIECES.encode([]).shape == (0, 0)
    assert PIECES.encode(["", "Holz"])[0].tolist().count(0) == PIECES.encode(["Holz"]).shape[1]


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("e\u0301", "é"),
        ("a\u00a0\u3000 b\n", "a b"),
        ("\ufeffa\u200b\u00adb\x07", "ab"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("１２，", "１２，"),
        ("\ud800", "\ufffd"),
        ("\u2581a", "_a"),
    ],
)
def test_tidy(given, plain) -> None:
    assert tidy(given) == plain


def test_what_cannot_be_learnt() -> None:
    with pytest.raises(UnknownNameError, match="'words'"):
        Subwords.learn(TEXTS, 100, "word")
    with pytest.raises(InputError, match="at least 8 ids"):
        Subwords.learn(TEXTS, 7)
    with pytest.raises(InputError, match=r"\[text\]"):
        PIECES.ids("Holz")
    with pytest.raises(InputError, match="at most 2 ids"):
        PIECES.encode(["Ein kleines Mädchen"], 2)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "lamina.subwords/1"}', json.dumps({"format": "x"})]
)
def test_json_of_something_else(text) -> None:
    with pytest.raises(FileFormatError, match="not a vocabulary of subwords"):
        Subwords.from_json(text)
