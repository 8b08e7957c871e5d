"""Texts to translate: from arguments and from standard input, faults and all."""

import io
import sys

import pytest

from lamina.errors import InputError
from lamina.translate.pairs import Report
from lamina.translate.text_input import groups_of, texts_of

LINES = b"eins\r\nGr\xfc\xdfe\n\nzw\x1b[31mei\nword " + b"word " * 10_000 + b"\nletzte"


def given(monkeypatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


def test_no_line_is_left_out(monkeypatch) -> None:
    given(monkeypatch, LINES)
    report = Report("")
    texts = list(texts_of(None, report, strict=False))
    assert texts == [
        "eins", "Gr\ufffd\ufffde", "", "zw\x1b[31mei", "word " + "word " * 10_000, "letzte"
    ]  # fmt: skip
    assert report.name == "standard input"
    assert report.lines == 6
    assert report.skipped == {"not in UTF-8": [2], "with control characters": [4]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\nGr\xfc\xdfe\n", "standard input, line 2: invalid text, not in UTF-8"),
        (b"a\x00b\n", "standard input, line 1: invalid text, with control characters"),
    ],
)
def test_strict(monkeypatch, data, message) -> None:
    given(monkeypatch, data)
    with pytest.raises(InputError, match=message):
        list(texts_of(None, Report(""), strict=True))


def test_arguments_go_before_standard_input(monkeypatch) -> None:
    given(monkeypatch, b"unread\n")
    report = Report("")
    assert list(texts_of(["a", "b\udcfc"], report, strict=False)) == ["a", "b\udcfc"]
    assert report.skipped == {"not in UTF-8": [2]}
    assert report.name == "arguments"


def test_lines_are_read_as_they_come() -> None:
    """The first group is there before the second is asked for."""
    asked = []

    def lines():
        for number in range(5):
            asked.append(number)
            yield str(number)

    groups = groups_of(lines(), 2)
    assert next(groups) == ["0", "1"]
    assert asked == [0, 1]
    assert list(groups) == [["2", "3"], ["4"]]
