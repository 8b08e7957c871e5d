"""Lines of text files, in UTF-8 and within limits, however much a file would give."""

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
"""That a text in UTF-8 may begin with."""

_MOST_BYTES = 1 << 20  # of a line; the rest of a longer one is read past
_LIMITED = ("lines", "bytes in a line", "bytes in all")
_NOT_UTF8 = {  # that of UTF-32 begins with one of UTF-16
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


class Limits(NamedTuple):
    """The most that is read of one file, after decompression.

    Attributes:
        lines: how many.
        line: bytes of one line.
        total: bytes of all lines.
    """

    lines: int = 10_000_000
    line: int = 1 << 24
    total: int = 1 << 32


LIMITS = Limits()
"""Those of files of pairs, unless others are given."""


def rows_of(files: Sequence[Path], limits: Limits | None) -> Iterator[tuple[int, list[bytes]]]:
    """Line numbers from 1, and the columns of each line."""
    if len(files) == 1:
        for number, line in enumerate(_lines(files[0], limits), 1):
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
    both = (_lines(path, limits) for path in files)
    for number, lines in enumerate(zip_longest(*both), 1):
        if None in lines:
            raise _unequal(files, number)
        yield number, [line.replace(b"\t", b" ") for line in lines]


def _lines(path: Path, limits: Limits | None) -> Iterator[bytes]:
    """The lines of a file, without their ends; a line that is too long is cut short."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise FileFormatError(
            explain(
                f"{os.fspath(path)!r} is no regular file.",
                expected="a file of text, which may be compressed by gzip",
                received="a pipe, a socket or a device",
                remedy="Write what it gives to a file first.",
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
                    f"{os.fspath(path)!r} is damaged: it cannot be decompressed to its end.",
                    received=str(error),
                    remedy="Fetch the file again.",
                )
            ) from error


def _split(path: Path, stream: Any, limits: Limits | None) -> Iterator[bytes]:
    line: bytes = stream.readline(_MOST_BYTES)
    check_encoding(line, os.fspath(path))
    line = line.removeprefix(MARK)
    number = total = 0
    while line:
        number += 1
        rest, length = line, len(line)
        _check_limits(path, limits, number, length, total + length)
        while len(rest) == _MOST_BYTES and not rest.endswith(b"\n"):
            rest = stream.readline(_MOST_BYTES)
            length += len(rest)
            _check_limits(path, limits, number, length, total + length)
        total += length
        yield line.rstrip(b"\r\n")
        line = stream.readline(_MOST_BYTES)


def check_encoding(start: bytes, name: str) -> None:
    """See that a text does not begin with the mark of UTF-16 or UTF-32.

    Raises:
        FileFormatError: it does.
    """
    encoding = next((kind for mark, kind in _NOT_UTF8.items() if start.startswith(mark)), None)
    if encoding is not None:
        raise FileFormatError(
            explain(
                f"{name!r} is not in UTF-8.",
                expected="UTF-8",
                received=encoding,
                remedy=f"Convert it: iconv -f {encoding} -t UTF-8 FILE > NEW.",
            )
        )


def _check_limits(path: Path, limits: Limits | None, *seen: int) -> None:
    """See that what was read so far is within the limits."""
    for most, count, what in zip(limits or (), seen, _LIMITED, strict=False):
        if count > most:
            raise FileFormatError(
                explain(
                    f"{os.fspath(path)!r} is larger than a file of pairs may be.",
                    where=f"line {seen[0]:,}",
                    expected=f"at most {most:,} {what}",
                    received="more, after decompression if it is compressed",
                    remedy="If it is no mistake, give --no-limits, or limits=None in Python.",
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
