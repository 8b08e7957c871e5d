"""Hides what code of users prints while a report runs it again."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from collections.abc import Generator

__all__ = ["hidden_output"]

_lock = threading.Lock()
_inside: list[object] = []
"""An entry for each block that hides output now, in any thread."""


@contextlib.contextmanager
def hidden_output() -> Generator[None]:
    """Discard what is printed to `sys.stdout` within a block.

    `contextlib.redirect_stdout` would leave the output hidden when blocks of two threads overlap:
    here, the last one to end restores it.
    """
    global _shown, _sink
    with _lock:
        if not _inside:
            _shown, _sink = sys.stdout, io.StringIO()
            sys.stdout = _sink
        _inside.append(None)
    try:
        yield
    finally:
        with _lock:
            _inside.pop()
            if not _inside and sys.stdout is _sink:
                sys.stdout = _shown


_shown = sys.stdout
_sink = io.StringIO()
