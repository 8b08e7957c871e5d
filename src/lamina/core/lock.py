"""The lock under which layers are built: one thread at a time in the process, and none for ever."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from types import FrameType
from typing import Any, cast

from lamina.core.node import Site, site
from lamina.errors import InputError, LaminaError, explain

__all__ = ["LOCK", "set_build_wait"]

_RLock: Any = type(threading.RLock())
_LIBRARY = os.path.dirname(threading.__file__) + os.sep


class _BuildLock(_RLock):
    """A lock that its thread may take again; to wait for another thread's has an end.

    A `call` that is being planned holds it. Where such a call waits for a second thread that calls
    a layer for the first time, the two would wait for each other for ever.
    """

    holder: int = 0  # the thread that took it last
    patience: float | None = 600.0  # seconds until waiting is an error
    told_after: float = 30.0  # seconds until it is told of

    def __enter__(self) -> bool:
        if not self.acquire(False):
            self._wait()
        self.holder = threading.get_ident()
        return True

    def _wait(self) -> None:
        began, patience = time.monotonic(), self.patience
        first = self.told_after if patience is None else min(self.told_after, patience)
        if self.acquire(True, first):
            return
        if patience is None or patience > first:
            warnings.warn(self._text(first), UserWarning, stacklevel=3)
            left = -1.0 if patience is None else max(0.0, began + patience - time.monotonic())
            if self.acquire(True, left):
                return
        raise LaminaError(self._text(patience or 0.0))

    def _text(self, seconds: float) -> str:
        name = next((t.name for t in threading.enumerate() if t.ident == self.holder), "that ended")
        place = _place(sys._current_frames().get(self.holder))
        return explain(
            f"This thread has waited {seconds:g} s for another one to build, step or save a layer.",
            where=f"thread {threading.current_thread().name!r}, at {site()}",
            expected="one build at a time in the process, which ends",
            received=f"thread {name!r} is at it still" + (f", at {place}" if place else ""),
            remedy="If that thread waits for this one, in a layer's call, build the layer of this "
            "one before; if it takes long, lamina.set_build_wait(None).",
        )


def _place(frame: FrameType | None) -> Site | None:
    """The innermost line of a thread that is no library's, as far as that is known."""
    while frame is not None:
        file = frame.f_code.co_filename
        library = file.startswith(_LIBRARY) and "site-packages" not in file
        if not library:
            return site(frame)
        frame = frame.f_back
    return None


LOCK = _BuildLock()
"""One build at a time in the process: first calls from two threads build once."""


def set_build_wait(seconds: float | None) -> None:
    """How long a thread waits for another one that builds, steps or saves a layer; then an error.

    Layers are built by one thread at a time. A layer's `call` that waits, while it is planned, for
    another thread's first call of a layer would never end. After 30 seconds the wait is told of
    by a warning that names the other thread and its line.

    Args:
        seconds: a positive number, 600 unless it is set; None waits for ever.

    Raises:
        InputError: it is no such number.

    >>> set_build_wait(600)
    """
    number = cast(Any, seconds)
    fits = isinstance(number, int | float) and not isinstance(number, bool) and number > 0
    if number is not None and not fits:
        raise InputError(
            explain(
                "That is not a time to wait.",
                where=f"given at {site()}",
                expected="a positive number of seconds, or None",
                received=repr(number),
                remedy="Give 600, for example.",
            )
        )
    LOCK.patience = None if number is None else min(float(number), threading.TIMEOUT_MAX)
