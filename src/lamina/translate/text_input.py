"""Texts to translate as they come: from arguments or from standard input, line by line."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lamina.errors import InputError, explain
from lamina.translate.lines import MARK, check_encoding
from lamina.translate.pairs import Report, has_control

__all__ = ["groups_of", "texts_of"]

_NAME = "standard input"
_MOST = 1 << 24  # bytes of a line


def texts_of(given: Sequence[str] | None, report: Report, strict: bool) -> Iterator[str]:
    """The texts given, or else the lines of standard input; a text is never left out.

    Bytes that are not UTF-8 are read as U+FFFD, control characters as nothing; the report tells of
    such lines.

    Raises:
        FileFormatError: standard input is in UTF-16 or UTF-32.
        InputError: a line of it has more than 16 MiB; or strict, and there is such a line.
    """
    source: Iterable[Any] = given or _lines(getattr(sys.stdin, "buffer", sys.stdin))
    report.name = "arguments" if given else _NAME
    for number, raw in enumerate(source, 1):
        report.lines = number
        text, reason = _read(raw)
        if reason is not None:
            if strict:
                raise _refused(report.name, number, reason)
            report.skipped.setdefault(reason, []).append(number)
        yield text


def groups_of(texts: Iterator[str], size: int) -> Iterator[list[str]]:
    """Several texts at a time, the last time perhaps fewer."""
    while group := list(itertools.islice(texts, size)):
        yield group


def _lines(stream: Any) -> Iterator[Any]:
    """The lines of a stream, none of them longer than what memory is for."""
    number = 0
    while line := stream.readline(_MOST + 1):
        number += 1
        if len(line) > _MOST:
            raise _refused(_NAME, number, f"of more than {_MOST:,} bytes")
        if number == 1 and isinstance(line, bytes):
            check_encoding(line, _NAME)
            line = line.removeprefix(MARK)
        yield line


def _read(raw: str | bytes) -> tuple[str, str | None]:
    """A text, and what was wrong with it."""
    if isinstance(raw, str):
        text, fits = raw, raw.isascii() or _has_no_surrogate(raw)
    else:
        text = raw.decode("utf-8", "replace")
        fits = text.encode() == raw
    text = text.rstrip("\r\n")
    if not fits:
        return text, "not in UTF-8"
    return text, "with control characters" if has_control(text) else None


def _has_no_surrogate(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _refused(name: str, number: int, reason: str) -> InputError:
    return InputError(
        explain(
            f"{name}, line {number}: a text {reason}.",
            expected="text in UTF-8, without control characters",
            remedy="Correct the line, or leave --strict out.",
        )
    )
