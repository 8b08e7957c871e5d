"""The lock under which layers are built: one thread at a time in the process, and none for ever."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
import warnings
from types import FrameType
from typing import Any, cast

from lamina.core.base.sites import Site, site
from lamina.errors import InputError, LaminaError, explain

__all__ = ["LOCK", "TURN", "set_build_wait"]

LOCK = threading.RLock()
"""One build at a time in the process: first calls from two threads build once.

It is Python's own lock, whose `with` no interrupt can break off between taking and giving back.
"""

_LIBRARY = os.path.dirname(threading.__file__) + os.sep
_PAUSE = 0.005  # seconds between two looks at the lock


class _Turn:
    """Waiting for another thread's build, which has an end.

    A `call` that is being planned holds the lock. Where such a call waits for a second thread that
    calls a layer for the first time, the two would wait for each other for ever.
    """

    patience: float | None = 600.0  # seconds until waiting is an error
    told_after: float = 30.0  # seconds until a warning

    def wait(self) -> None:
        """Return once no other thread holds the lock; nothing is taken.

        Raises:
            LaminaError: that took longer than it may.
        """
        holder = _holder()
        if holder in (0, threading.get_ident()):
            return
        began, warned = time.monotonic(), False
        while (holder := _holder()) != 0:
            waited = time.monotonic() - began
            if self.patience is not None and waited >= self.patience:
                raise LaminaError(self._text(self.patience, holder))
            if not warned and waited >= self.told_after:
                warned = True
                warnings.warn(self._text(self.told_after, holder), UserWarning, stacklevel=3)
            time.sleep(_PAUSE)

    @staticmethod
    def _text(seconds: float, holder: int) -> str:
        name = next((t.name for t in threading.enumerate() if t.ident == holder), "that ended")
        place = _place(sys._current_frames().get(holder))
        return explain(
            f"This thread has waited {seconds:g} s for another one to build, step or save a layer.",
            where=f"thread {threading.current_thread().name!r}, at {site()}",
            expected="one build at a time in the process, which ends",
            received=f"thread {name!r} is at it still" + (f", at {place}" if place else ""),
            remedy="If that thread waits for this one, in a layer's call, build the layer of this "
            "one before; if it takes long, lamina.set_build_wait(None).",
        )


TURN = _Turn()


def _holder() -> int:
    """The thread that holds the lock, 0 if none does; the lock tells it in its text alone."""
    found = re.search(r"owner=(\d+)", repr(LOCK))
    return int(found[1]) if found else 0


def _place(frame: FrameType | None) -> Site | None:
    """The innermost line of a thread that is no library's, as far as that is known."""
    while frame is not None:
        file = frame.f_code.co_filename
        library = file.startswith(_LIBRARY) and "site-packages" not in file
        if not library:
            return site(frame)
        frame = frame.f_back
    return None


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
    TURN.patience = None if number is None else min(float(number), threading.TIMEOUT_MAX)
