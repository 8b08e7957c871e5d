"""Files of pairs, and all that may be wrong with them."""

import gzip
from pathlib import Path

import pytest

from lamina.errors import FileFormatError, InputError
from lamina.translate.pairs import Pair, has_control, held_out, read_pairs

GOOD = "Go.\tGeh.\nHi.\tHallo!\nمرحبا\tこんにちは\n".encode()
PAIRS = [("Go.", "Geh."), ("Hi.", "Hallo!"), ("مرحبا", "こんにちは")]


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        GOOD,
        GOOD[:-1],
        GOOD.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + GOOD,
        gzip.compress(GOOD),
        GOOD.replace(b"\n", b"\tCC-BY 2.0 (France) Attribution: tatoeba.org #1\n"),
        b"".join(b"1\t%b\t2\t%b\n" % tuple(line.split(b"\t")) for line in GOOD.splitlines()),
    ],
    ids=["plain", "no last end", "crlf", "bom", "gzip", "attribution", "tatoeba"],
)
def test_every_kind_of_file(tmp_path, data) -> None:
    pairs, report = read_pairs([written(tmp_path / "pairs.tsv", data)])
    assert pairs == PAIRS
    assert (report.lines, report.used, report.skipped) == (3, 3, {})
    assert str(report) == f"{tmp_path / 'pairs.tsv'}: 3 lines"


def test_two_files(tmp_path) -> None:
    source = written(tmp_path / "a", b"Go.\n\nHi\tthere.\n")
    target = written(tmp_path / "b.gz", gzip.compress(b"Geh.\nx\nHallo!"))
    pairs, report = read_pairs([source, target])
    assert pairs == [("Go.", "Geh."), ("Hi there.", "Hallo!")]
    assert report.skipped == {"empty": [2]}
    with pytest.raises(FileFormatError, match="one file ends before line 4"):
        read_pairs([source, written(tmp_path / "c", b"Geh.\nx\nHallo!\nmehr\n")])
    with pytest.raises(InputError, match="3 files"):
        read_pairs([source] * 3)


def test_swapped(tmp_path) -> None:
    pairs, _ = read_pairs([written(tmp_path / "pairs.tsv", GOOD)], swap=True)
    assert pairs[0] == Pair("Geh.", "Go.")


BAD = [
    (b"", "empty"),
    (b" \t ", "empty"),
    (b"Go.\t", "empty"),
    (b"Go.", "without a second column"),
    (b"a\tb\tc\td", "with more than three columns"),
    (b"Gr\xfc\xdfe\tx", "not in UTF-8"),
    (b"\xed\xa0\x80\tx", "not in UTF-8"),
    (b"a\x00b\tx", "with control characters"),
    (b"x\t\x1b[31mred", "with control characters"),
    (b"word " * 10_000 + b"\tx", "longer than 20 words"),
    (b"x\t" + "字".encode() * 400, "longer than 20 words"),
    (b"y" * (3 << 20) + b"\tx", "without a second column"),
]


def test_bad_lines_are_counted_by_reason_and_number(tmp_path) -> None:
    lines = [line for bad, _ in BAD for line in (bad, b"Go.\tGeh.")]
    path = written(tmp_path / "pairs.tsv", b"\n".join(lines))
    pairs, report = read_pairs([path], longest=20)
    assert pairs == [("Go.", "Geh.")] * len(BAD)
    expected: dict[str, list[int]] = {}
    for number, (_, reason) in enumerate(BAD):
        expected.setdefault(reason, []).append(2 * number + 1)
    assert report.skipped == expected
    assert report.lines == 2 * len(BAD)
    told = str(report)
    assert f"{len(BAD)} skipped" in told
    assert "3 empty (lines 1, 3, 5)" in told
    assert "1 with more than three columns (line 9)" in told


def test_only_the_first_numbers_are_told(tmp_path) -> None:
    path = written(tmp_path / "pairs.tsv", b"\n" * 1000 + GOOD)
    _, report = read_pairs([path])
    assert str(report).endswith("1,000 empty (lines 1, 2, 3, 4, 5, ...)")


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_strict_refuses_by_file_and_line(tmp_path, line, reason) -> None:
    path = written(tmp_path / "pairs.tsv", GOOD + line + b"\n")
    with pytest.raises(FileFormatError, match=rf"pairs.tsv, line 4: invalid line, {reason}"):
        read_pairs([path], longest=20, strict=True)


def test_files_that_do_not_serve(tmp_path) -> None:
    with pytest.raises(FileFormatError, match=r"iconv -f UTF-16"):
        read_pairs([written(tmp_path / "a", GOOD.decode().encode("utf-16"))])
    with pytest.raises(FileFormatError, match="damaged"):
        read_pairs([written(tmp_path / "b", gzip.compress(GOOD * 100)[:-20])])
    with pytest.raises(FileNotFoundError):
        read_pairs([tmp_path / "nowhere"])
    assert read_pairs([written(tmp_path / "c", b"")])[0] == []


def test_what_is_held_out_is_always_the_same_and_not_learnt() -> None:
    pairs = [Pair(f"text {at % 400}", f"Text {at}") for at in range(1000)]
    kept, held = held_out(pairs, 100)
    assert 100 <= len(held) <= 103
    assert sorted(kept + held) == sorted(pairs)
    assert not {pair.source for pair in kept} & {pair.source for pair in held}
    assert held_out(pairs, 100) == (kept, held)
    assert set(held_out(pairs[::-1], 100)[1]) == set(held)
    assert held_out(pairs, 100, seed=1)[1] != held


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\tb\n", False), ("\x85", False), ("\u200d\u2028", False), ("\x7f", True), ("\x9b", True)],
)
def test_control_characters(text, expected) -> None:
    assert has_control(text) == expected
