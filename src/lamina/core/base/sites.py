"""Sites: the lines of the user's files where layers are made and called."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import NamedTuple

import jax

__all__ = ["Site", "edge", "site"]

_PACKAGE = Path(__file__).resolve().parents[2]
_JAX = Path(jax.__file__).resolve().parent
_APPLICATIONS = tuple(str(_PACKAGE / name) for name in ("translate", "cli.py"))
_MACHINERY = (str(_PACKAGE), str(_JAX), "<frozen", "<string>")
_is_machinery: dict[str, bool] = {}


class Site(NamedTuple):
    """A line of somebody's file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


_edges: list[tuple[CodeType, Site]] = []
"""Functions of whose callers the site is known, innermost last; a pass adds its own."""


@contextlib.contextmanager
def edge(function: FunctionType, outside: Site) -> Generator[None]:
    """While a function runs, sites are looked for no farther out than it: there it is `outside`."""
    _edges.append((function.__code__, outside))
    try:
        yield
    finally:
        _edges.pop()


def site(frame: FrameType | None = None) -> Site:
    """The innermost line on the stack that is neither Lamina's nor JAX's."""
    start = frame or sys._getframe(1)
    at: FrameType | None = start
    stop, outside = _edges[-1] if _edges else (None, None)
    while at is not None:
        code = at.f_code
        if code is stop and outside is not None:
            return outside
        file = code.co_filename
        inside = _is_machinery.get(file)
        if inside is None:
            inside = file.startswith(_MACHINERY) and not file.startswith(_APPLICATIONS)
            inside = inside or "contextlib" in file or "functools" in file
            _is_machinery[file] = inside
        if not inside:
            return Site(file, at.f_lineno)
        at = at.f_back
    return Site(start.f_code.co_filename, start.f_lineno)
