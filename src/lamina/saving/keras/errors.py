"""Errors about files of Keras."""

from __future__ import annotations

from lamina.errors import FileFormatError, explain

__all__ = ["refused"]


def refused(path: str, problem: str, *, expected: str, received: str, remedy: str) -> Exception:
    """Make the error of a file that is not read.

    Args:
        path: the path of the file.
        problem: what is wrong, as the end of a sentence that begins with the path.
        expected: what a file has there.
        received: what this file has.
        remedy: what to do.

    Returns:
        The error, to raise.
    """
    return FileFormatError(
        explain(
            f"{path!r} {problem}.",
            expected=expected,
            received=received[:300],
            remedy=remedy,
        )
    )
