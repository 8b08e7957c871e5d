"""Errors of loading a file."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from lamina.errors import BuildError, FileFormatError, explain
from lamina.saving.matching import Match

__all__ = ["MismatchError", "UnbuildableError", "reading"]


@contextlib.contextmanager
def reading(path: str) -> Generator[None]:
    """Convert errors that a file causes to errors about the file.

    Args:
        path: the path of the file.

    Raises:
        FileFormatError: instead of any other error, except OSError.
    """
    try:
        yield
    except (FileFormatError, OSError):
        raise
    except Exception as error:
        raise FileFormatError(
            explain(
                f"{path!r} cannot be loaded.",
                expected="a complete file, of a model that fits in memory",
                received=f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}",
                remedy="Make and build the model in code, and call load_weights on it.",
            )
        ) from error


class UnbuildableError(FileFormatError, BuildError):
    """A layer cannot be built from the specs of a file; the model or the file may be at fault."""


class MismatchError(Exception):
    """Carries mismatches to the error that lists them."""

    def __init__(self, found: Match) -> None:
        super().__init__()
        self.found = found
