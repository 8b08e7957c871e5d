"""Source locations: the lines of the user's files where layers are created and called."""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

import jax
import numpy as np

__all__ = ["Site", "edge", "is_library", "site"]


def _folders(file: str, above: int = 1) -> tuple[str, ...]:
    """Return a folder above a file, as Python names it and without symbolic links."""
    return tuple({str(path.parents[above - 1]) for path in (Path(file), Path(file).resolve())})


_PACKAGE = _folders(__file__, 3)
_APPLICATIONS = tuple(str(Path(one, name)) for one in _PACKAGE for name in ("translate", "cli.py"))
_LIBRARIES = (*_PACKAGE, *_folders(str(jax.__file__)), *_folders(str(np.__file__)))
_MACHINERY = (*_LIBRARIES, "<frozen", "<string>")
_is_machinery: dict[str, bool] = {}


class Site(NamedTuple):
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


_edges: list[tuple[CodeType, Site]] = []
"""Functions with the site of their caller, innermost last; see :func:`edge`."""


class edge:  # noqa: N801 - used like a function
    """In a `with` block, end the search of :func:`site` at a function's frame.

    Args:
        code: the code of the function, in which the block runs, or which runs in the block.
        outside: the site to return if the search reaches the function.
    """

    __slots__ = ("_edge",)

    def __init__(self, code: CodeType, outside: Site) -> None:
        self._edge = code, outside

    def __enter__(self) -> None:
        _edges.append(self._edge)

    def __exit__(self, *exception: object) -> None:
        _edges.pop()


def site(frame: FrameType | None = None) -> Site:
    """Return the innermost line on the stack that is in neither Lamina nor JAX.

    Args:
        frame: where to start; None (default) for the caller.
    """
    start = frame or sys._getframe(1)
    at: FrameType | None = start
    stop, outside = _edges[-1] if _edges else (None, None)
    known = _is_machinery.get
    while at is not None:
        code = at.f_code
        if code is stop and outside is not None:
            return outside
        file = code.co_filename
        inside = known(file)
        if inside is None:
            inside = is_library(file)
        if not inside:
            return Site(file, at.f_lineno)
        at = at.f_back
    return Site(start.f_code.co_filename, start.f_lineno)


def is_library(file: str) -> bool:
    """Return whether a source file is part of Lamina, JAX or NumPy."""
    inside = _is_machinery.get(file)
    if inside is None:
        inside = file.startswith(_MACHINERY) and not file.startswith(_APPLICATIONS)
        inside = inside or "contextlib" in file or "functools" in file
        _is_machinery[file] = inside
    return inside
