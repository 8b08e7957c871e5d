"""Texts to translate, from command line arguments or from the lines of standard input."""

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
_MAX_BYTES = 1 << 24  # of a line


def texts_of(given: Sequence[str] | None, report: Report, strict: bool) -> Iterator[str]:
    """The given texts, or the lines of standard input. No text is skipped.

    Invalid UTF-8 is read as U+FFFD, and control characters are removed. The report lists such
    lines.

    Args:
        given: texts; None or an empty sequence for standard input.
        report: receives the number of lines and the lines that were changed.
        strict: whether invalid UTF-8 and control characters are errors.

    Raises:
        FileFormatError: standard input is encoded in UTF-16 or UTF-32.
        InputError: a line is longer than 16 MiB; or ``strict`` is True and a line is invalid.
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
    """Lists of ``size`` texts; the last one may be shorter."""
    while group := list(itertools.islice(texts, size)):
        yield group


def _lines(stream: Any) -> Iterator[Any]:
    """The lines of a stream, with a limit on their length."""
    number = 0
    while line := stream.readline(_MAX_BYTES + 1):
        number += 1
        if len(line) > _MAX_BYTES:
            raise _refused(_NAME, number, f"longer than {_MAX_BYTES:,} bytes")
        if number == 1 and isinstance(line, bytes):
            check_encoding(line, _NAME)
            line = line.removeprefix(MARK)
        yield line


def _read(raw: str | bytes) -> tuple[str, str | None]:
    """The decoded text, and the reason why the line is invalid, if it is."""
    if isinstance(raw, str):
        text, valid = raw, raw.isascii() or _has_no_surrogate(raw)
    else:
        text = raw.decode("utf-8", "replace")
        valid = text.encode() == raw
    text = text.rstrip("\r\n")
    if not valid:
        return text, "not in UTF-8"
    return text, "with control characters" if has_control(text) else None


def _has_no_surrogate(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _refused(name: str, number: int, reason: str) -> InputError:
    return InputError(
        explain(
            f"{name}, line {number}: invalid text, {reason}.",
            expected="text in UTF-8, without control characters",
            remedy="Correct the line, or omit --strict.",
        )
    )
