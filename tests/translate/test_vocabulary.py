import json

import numpy as np
import pytest

from lamina.errors import FileFormatError, InputError
from lamina.translate.vocabulary import Vocabulary, normalize


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("２０２４年１月９日", "2024年1月9日"),
        ("9 января 2024\u202fг.", "9 января 2024 г."),
        ("fe\u0301vrier", "février"),
        ("\u200f٩ يناير", "٩ يناير"),
        ("  9\t May \n2024 ", "9 May 2024"),
        ("", ""),
    ],
)
def test_one_spelling(typed: str, plain: str) -> None:
    assert normalize(typed) == plain
    assert normalize(plain) == plain


def test_special_ids_come_first() -> None:
    letters = Vocabulary.from_texts(["ba", "c"])
    assert (letters.pad, letters.start, letters.end, letters.unknown) == (0, 1, 2, 3)
    assert letters.characters == ("a", "b", "c")
    assert len(letters) == 7
    assert letters == Vocabulary.from_texts(["cab"])


def test_encode_pads_at_the_right() -> None:
    letters = Vocabulary.from_texts(["abc"])
    ids = letters.encode(["abc", "a", ""])
    assert ids.dtype == np.int32
    assert ids.tolist() == [[4, 5, 6], [4, 0, 0], [0, 0, 0]]
    assert letters.encode(["a"], 3, start=True, end=True).tolist() == [[1, 4, 2]]
    assert letters.encode([]).shape == (0, 0)
    assert letters.encode([], 5).shape == (0, 5)


def test_decode_undoes_encode() -> None:
    texts = ["2024年1月9日", "9 de enero", ""]
    letters = Vocabulary.from_texts(texts)
    for marks in (False, True):
        assert letters.decode(letters.encode(texts, 20, start=marks, end=marks)) == texts
    assert letters.decode([[4, 2, 4, 4]]) == [" "]


def test_unknown_characters_have_an_id() -> None:
    letters = Vocabulary.from_texts(["abc"])
    assert letters.encode(["a?b"]).tolist() == [[4, 3, 5]]
    assert letters.decode([[4, 3, 5]]) == ["a\ufffdb"]


def test_nothing_is_cut_off() -> None:
    letters = Vocabulary.from_texts(["abc"])
    with pytest.raises(InputError, match=r"at most 3 ids.*\n.*4 ids for 'abca'"):
        letters.encode(["a", "abca"], 3)
    with pytest.raises(InputError, match="4 ids for 'abc'"):
        letters.encode(["abc"], 3, end=True)


def test_a_bare_string_is_not_a_batch() -> None:
    with pytest.raises(InputError, match=r"\[text\]"):
        Vocabulary.from_texts("abc")
    with pytest.raises(InputError, match=r"\[text\]"):
        Vocabulary.from_texts(["abc"]).encode("abc")


@pytest.mark.parametrize("ids", [[4, 5], [[4.0]], [[-1]], [[99]], [[[4]]], [["a"]]])
def test_ids_that_cannot_be_read(ids: object) -> None:
    with pytest.raises(InputError, match=r"decode"):
        Vocabulary.from_texts(["abc"]).decode(ids)


def test_json_round_trip() -> None:
    letters = Vocabulary.from_texts(['2024年1月9日 "\\', "الثلاثاء"])
    assert Vocabulary.from_json(letters.to_json()) == letters


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        "{}",
        '{"format": "lamina.vocabulary/1"}',
        '{"format": "lamina.vocabulary/1", "characters": "aa"}',
        '{"format": "lamina.vocabulary/1", "characters": [1, 2]}',
        json.dumps({"format": "other", "characters": "abc"}),
    ],
)
def test_json_of_something_else(text: str) -> None:
    with pytest.raises(FileFormatError, match="not a vocabulary"):
        Vocabulary.from_json(text)


@pytest.mark.parametrize("characters", [("a", "a"), ("ab",), ("",)])
def test_characters_are_single_and_different(characters: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="from_texts"):
        Vocabulary(characters)
