"""Lines of UTF-8 text files, read within size limits."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from lamina.errors import FileFormatError, InputError, explain

__all__ = ["LIMITS", "MARK", "Limits", "check_encoding", "rows_of"]

MARK = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8."""

_MAX_BYTES = 1 << 20  # of a line; the rest of a longer line is skipped
_LIMITED = ("lines", "bytes per line", "bytes in total")
_NOT_UTF8 = {  # the mark of UTF-32 starts with that of UTF-16
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


class Limits(NamedTuple):
    """Maximum sizes of one file, after decompression.

    Attributes:
        lines: number of lines.
        line: bytes per line.
        total: bytes of all lines.
    """

    lines: int = 10_000_000
    line: int = 1 << 24
    total: int = 1 << 32


LIMITS = Limits()
"""The default limits of files of pairs."""


def rows_of(files: Sequence[Path], limits: Limits | None) -> Iterator[tuple[int, list[bytes]]]:
    """Line numbers from 1, and the columns of each line."""
    if len(files) == 1:
        for number, line in enumerate(_lines(files[0], limits), 1):
            yield number, line.split(b"\t")
        return
    if len(files) != 2:
        raise InputError(
            explain(
                "Pairs are read from one file or from two files.",
                expected="PAIRS.tsv, or SOURCE and TARGET with one text per line",
                received=f"{len(files)} files",
                remedy="Concatenate them: cat A.tsv B.tsv > PAIRS.tsv.",
            )
        )
    both = (_lines(path, limits) for path in files)
    for number, lines in enumerate(zip_longest(*both), 1):
        if None in lines:
            raise _unequal(files, number)
        yield number, [line.replace(b"\t", b" ") for line in lines]


def _lines(path: Path, limits: Limits | None) -> Iterator[bytes]:
    """The lines of a file without line ends; long lines are truncated."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise FileFormatError(
            explain(
                f"{os.fspath(path)!r} is not a regular file.",
                expected="a text file, optionally compressed with gzip",
                received="a pipe, a socket or a device",
                remedy="Write its contents to a file first.",
            )
        )
    with path.open("rb") as raw:
        is_gzip = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if is_gzip else raw
        try:
            yield from _split(path, stream, limits)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FileFormatError(
                explain(
                    f"{os.fspath(path)!r} is damaged and cannot be decompressed.",
                    received=str(error),
                    remedy="Download the file again.",
                )
            ) from error


def _split(path: Path, stream: Any, limits: Limits | None) -> Iterator[bytes]:
    line: bytes = stream.readline(_MAX_BYTES)
    check_encoding(line, os.fspath(path))
    line = line.removeprefix(MARK)
    number = total = 0
    while line:
        number += 1
        rest, length = line, len(line)
        _check_limits(path, limits, number, length, total + length)
        while len(rest) == _MAX_BYTES and not rest.endswith(b"\n"):
            rest = stream.readline(_MAX_BYTES)
            length += len(rest)
            _check_limits(path, limits, number, length, total + length)
        total += length
        yield line.rstrip(b"\r\n")
        line = stream.readline(_MAX_BYTES)


def check_encoding(start: bytes, name: str) -> None:
    """Refuse a text that starts with the byte order mark of UTF-16 or UTF-32.

    Raises:
        FileFormatError: the text starts with such a mark.
    """
    encoding = next((kind for mark, kind in _NOT_UTF8.items() if start.startswith(mark)), None)
    if encoding is not None:
        raise FileFormatError(
            explain(
                f"{name!r} is not in UTF-8.",
                expected="UTF-8",
                received=encoding,
                remedy=f"Convert the file: iconv -f {encoding} -t UTF-8 FILE > NEW.",
            )
        )


def _check_limits(path: Path, limits: Limits | None, *seen: int) -> None:
    """Raise an error if the data read so far exceeds the limits."""
    for most, count, what in zip(limits or (), seen, _LIMITED, strict=False):
        if count > most:
            raise FileFormatError(
                explain(
                    f"{os.fspath(path)!r} exceeds the size limit of a file of pairs.",
                    where=f"line {seen[0]:,}",
                    expected=f"at most {most:,} {what}",
                    received="more, after decompression",
                    remedy="If this is intended, use --no-limits, or limits=None in Python.",
                )
            )


def _unequal(files: Sequence[Path], number: int) -> FileFormatError:
    return FileFormatError(
        explain(
            "The two files have different numbers of lines.",
            where=f"{os.fspath(files[0])}, {os.fspath(files[1])}",
            expected="line n of the second file is the translation of line n of the first",
            received=f"one file ends before line {number}",
            remedy="Align the files; empty lines count.",
        )
    )
