"""Pairs of texts from files, and what was wrong with those that could not be used.

A file has two columns, parted by a tab; a third one, of attribution, is left out, and so are the
numbers of Tatoeba's own export. Two files of one column each serve as well. Any of them may be
compressed by gzip. Every line that cannot be used is known by its number and its reason.
"""

from __future__ import annotations

import gzip
import os
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from lamina.errors import FileFormatError, InputError, explain

__all__ = ["Pair", "Report", "has_control", "held_out", "read_pairs"]

_MOST_BYTES = 1 << 20  # of a line; the rest of a longer one is read past
_A_WORD = 8  # characters; what a word counts as in scripts without spaces
_SHOWN = 5  # line numbers told of each reason
_NOT_UTF8 = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}


class Pair(NamedTuple):
    """A text and its translation."""

    source: str
    target: str


@dataclass
class Report:
    """What became of the lines of a file: how many there were, and the numbers of those left out,
    by reason."""

    name: str
    lines: int = 0
    skipped: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    @property
    def used(self) -> int:
        return self.lines - sum(map(len, self.skipped.values()))

    def __str__(self) -> str:
        if not self.skipped:
            return f"{self.name}: {self.lines:,} lines"
        told = [f"{len(at):,} {reason} ({_numbers(at)})" for reason, at in self.skipped.items()]
        count = self.lines - self.used
        return f"{self.name}: {self.lines:,} lines, {count:,} skipped: {'; '.join(told)}"


class _UnusableError(Exception):
    """Why a line cannot be used."""


def read_pairs(
    paths: Sequence[str | os.PathLike[str]],
    *,
    longest: int | None = None,
    strict: bool = False,
    swap: bool = False,
) -> tuple[list[Pair], Report]:
    """The pairs of a file of two columns, or of two files of one.

    Args:
        paths: one file or two.
        longest: the most words a text may have, or eight times as many characters.
        strict: raise at the first line that cannot be used, rather than leave it out.
        swap: whether the first column is the translation.

    Raises:
        OSError: a file cannot be read.
        FileFormatError: a file is damaged, in UTF-16, or not as long as the other; or, if strict,
            a line cannot be used.
        InputError: there are more than two files.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "pairs.tsv"
    >>> _ = path.write_text("Go.\\tGeh.\\tCC-BY 2.0\\nHi.\\nRun!\\tLauf!\\n")
    >>> pairs, report = read_pairs([path])
    >>> len(pairs), report.skipped
    (2, {'without a second column': [2]})
    """
    files = [Path(path) for path in paths]
    report = Report(" and ".join(os.fspath(path) for path in files))
    pairs: list[Pair] = []
    for number, columns in _rows(files):
        report.lines = number
        try:
            source, target = (_checked(text, longest) for text in _texts(columns))
        except _UnusableError as reason:
            if strict:
                raise _refused(report.name, number, str(reason)) from None
            report.skipped.setdefault(str(reason), []).append(number)
            continue
        pairs.append(Pair(target, source) if swap else Pair(source, target))
    return pairs, report


def held_out(pairs: Sequence[Pair], count: int, seed: int = 0) -> tuple[list[Pair], list[Pair]]:
    """Pairs to train on, and about ``count`` others, always the same of the same pairs.

    All translations of a text are on one side, so that none is learnt that is asked for.
    """
    order = {source: blake2b(f"{seed} {source}".encode()).digest() for source, _ in pairs}
    size: dict[str, int] = {}
    for source, _ in pairs:
        size[source] = size.get(source, 0) + 1
    chosen: set[str] = set()
    left = count
    for source in sorted(order, key=order.__getitem__):
        if left <= 0:
            break
        chosen.add(source)
        left -= size[source]
    kept = [pair for pair in pairs if pair.source not in chosen]
    return kept, [pair for pair in pairs if pair.source in chosen]


def has_control(text: str) -> bool:
    """Whether a text holds a control character other than white space.

    >>> has_control("a\\x00b"), has_control("a\\tb")
    (True, False)
    """
    return not text.isprintable() and any(
        unicodedata.category(char) == "Cc" and not char.isspace() for char in text
    )


def _rows(files: Sequence[Path]) -> Iterator[tuple[int, list[bytes]]]:
    """Line numbers from 1, and the columns of each line."""
    if len(files) == 1:
        for number, line in enumerate(_lines(files[0]), 1):
            yield number, line.split(b"\t")
        return
    if len(files) != 2:
        raise InputError(
            explain(
                "Pairs come from one file or from two.",
                expected="PAIRS.tsv, or SOURCE and TARGET of one text a line",
                received=f"{len(files)} files",
                remedy="Put them together first: cat A.tsv B.tsv > PAIRS.tsv.",
            )
        )
    for number, lines in enumerate(zip_longest(*map(_lines, files)), 1):
        if None in lines:
            raise _unequal(files, number)
        yield number, [line.replace(b"\t", b" ") for line in lines]


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, without their ends; a line that is too long is cut short."""
    with path.open("rb") as raw:
        is_gzip = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if is_gzip else raw
        try:
            yield from _split(path, stream)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FileFormatError(
                explain(
                    f"{os.fspath(path)!r} is damaged: it cannot be decompressed to its end.",
                    received=str(error),
                    remedy="Fetch the file again.",
                )
            ) from error


def _split(path: Path, stream: Any) -> Iterator[bytes]:
    line: bytes = stream.readline(_MOST_BYTES)
    encoding = next((name for mark, name in _NOT_UTF8.items() if line.startswith(mark)), None)
    if encoding is not None:
        raise FileFormatError(
            explain(
                f"{os.fspath(path)!r} is not in UTF-8.",
                expected="UTF-8",
                received=encoding,
                remedy=f"Convert it: iconv -f {encoding} -t UTF-8 FILE > NEW.",
            )
        )
    line = line.removeprefix(b"\xef\xbb\xbf")
    while line:
        rest = line
        while len(rest) == _MOST_BYTES and not rest.endswith(b"\n"):
            rest = stream.readline(_MOST_BYTES)
        yield line.rstrip(b"\r\n")
        line = stream.readline(_MOST_BYTES)


def _texts(columns: list[bytes]) -> Iterable[bytes]:
    """Source and target among the columns of a line."""
    if len(columns) == 4 and columns[0].isdigit() and columns[2].isdigit():
        return columns[1], columns[3]  # Tatoeba's export: number, text, number, text
    if len(columns) == 1:
        raise _UnusableError("without a second column" if columns[0].strip() else "empty")
    if len(columns) > 3:
        raise _UnusableError("of more than three columns")
    return columns[:2]


def _checked(raw: bytes, longest: int | None) -> str:
    try:
        text = raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise _UnusableError("not in UTF-8") from None
    if not text:
        raise _UnusableError("empty")
    if has_control(text):
        raise _UnusableError("with control characters")
    if longest is not None and max(text.count(" ") + 1, len(text) / _A_WORD) > longest:
        raise _UnusableError(f"of more than {longest} words")
    return text


def _numbers(at: list[int]) -> str:
    shown = ", ".join(map(str, at[:_SHOWN]))
    return f"line {shown}" if len(at) == 1 else f"lines {shown}{', ...' * (len(at) > _SHOWN)}"


def _refused(name: str, number: int, reason: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"{name}, line {number}: a line {reason}.",
            expected="a text, a tab and its translation, in UTF-8",
            remedy="Correct the line, or leave --strict out to skip such lines.",
        )
    )


def _unequal(files: Sequence[Path], number: int) -> FileFormatError:
    return FileFormatError(
        explain(
            "The two files do not have the same number of lines.",
            where=f"{os.fspath(files[0])}, {os.fspath(files[1])}",
            expected="the translation of line n of the first in line n of the second",
            received=f"one ends before line {number}",
            remedy="Align them again; an empty line is a line, too.",
        )
    )
