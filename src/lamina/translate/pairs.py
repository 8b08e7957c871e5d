"""Pairs of texts from files, and a report of the lines that were skipped.

A file has two columns separated by a tab. A third column, used for attribution, and the numbers in
exports of Tatoeba are ignored. Two files with one column each are also accepted. Files may be
compressed with gzip. The report lists the number and the reason of each skipped line. Files are
read line by line, up to the sizes in `Limits`.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from lamina.errors import FileFormatError, explain
from lamina.translate.lines import LIMITS, Limits, rows_of

__all__ = ["Pair", "Report", "has_control", "held_out", "read_pairs"]

_CHARACTERS_PER_WORD = 8  # in scripts without spaces
_SHOWN = 5  # line numbers reported per reason


class Pair(NamedTuple):
    """A text and its translation."""

    source: str
    target: str


@dataclass
class Report:
    """The number of lines in a file, and the numbers of the skipped lines by reason."""

    name: str
    lines: int = 0
    skipped: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    @property
    def used(self) -> int:
        return self.lines - sum(map(len, self.skipped.values()))

    def __str__(self) -> str:
        if not self.skipped:
            return f"{self.name}: {self.lines:,} lines"
        reasons = [f"{len(at):,} {reason} ({_numbers(at)})" for reason, at in self.skipped.items()]
        count = self.lines - self.used
        return f"{self.name}: {self.lines:,} lines, {count:,} skipped: {'; '.join(reasons)}"


class _UnusableError(Exception):
    """The reason why a line is skipped."""


def read_pairs(
    paths: Sequence[str | os.PathLike[str]],
    *,
    longest: int | None = None,
    strict: bool = False,
    swap: bool = False,
    limits: Limits | None = LIMITS,
) -> tuple[list[Pair], Report]:
    """Read pairs from a file with two columns, or from two files with one column.

    Args:
        paths: one or two files.
        longest: maximum number of words per text; eight characters count as a word. None for no
            limit.
        strict: raise an error at the first invalid line instead of skipping it. Default: False.
        swap: whether the first column is the translation. Default: False.
        limits: maximum file sizes; None for no limits.

    Returns:
        The pairs, and a report of the skipped lines.

    Raises:
        OSError: a file cannot be read.
        FileFormatError: a file is not a regular file, is damaged, exceeds the limits, or is encoded
            in UTF-16 or UTF-32; the two files have different numbers of lines; or, if strict, a
            line is invalid.
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
    for number, columns in rows_of(files, limits):
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
    """Split pairs into training pairs and about ``count`` validation pairs.

    The split depends only on the pairs and the seed. Pairs with the same source are on the same
    side, so no validation source is in the training data.
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
    """Whether a text contains a control character other than white space.

    >>> has_control("a\\x00b"), has_control("a\\tb")
    (True, False)
    """
    return not text.isprintable() and any(
        unicodedata.category(char) == "Cc" and not char.isspace() for char in text
    )


def _texts(columns: list[bytes]) -> Iterable[bytes]:
    """Source and target among the columns of a line."""
    if len(columns) == 4 and columns[0].isdigit() and columns[2].isdigit():
        return columns[1], columns[3]  # Tatoeba's export: number, text, number, text
    if len(columns) == 1:
        raise _UnusableError("without a second column" if columns[0].strip() else "empty")
    if len(columns) > 3:
        raise _UnusableError("with more than three columns")
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
    if longest is not None and max(text.count(" ") + 1, len(text) / _CHARACTERS_PER_WORD) > longest:
        raise _UnusableError(f"longer than {longest} words")
    return text


def _numbers(at: list[int]) -> str:
    shown = ", ".join(map(str, at[:_SHOWN]))
    return f"line {shown}" if len(at) == 1 else f"lines {shown}{', ...' * (len(at) > _SHOWN)}"


def _refused(name: str, number: int, reason: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"{name}, line {number}: invalid line, {reason}.",
            expected="a text, a tab and its translation, in UTF-8",
            remedy="Correct the line, or omit --strict to skip invalid lines.",
        )
    )
