"""The lock under which layers are built, and the time limit for waiting for it."""

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

__all__ = ["BUILD_WAIT", "LOCK", "set_build_wait"]

LOCK = threading.RLock()
"""Held during a build, so that concurrent first calls of a layer build it once.

It is a Python `RLock`, because a signal cannot interrupt its `with` statement between acquiring it
and entering the block.
"""

_LIBRARY = os.path.dirname(threading.__file__) + os.sep
_PAUSE = 0.005  # seconds between two checks of the lock


class _BuildWait:
    """Waits for the build of another thread, with a time limit.

    A `call` that is being planned holds the lock. If it waits for a second thread that calls a
    layer for the first time, both threads would wait for each other forever.
    """

    timeout: float | None = 600.0  # seconds until an error
    warn_after: float = 30.0  # seconds until a warning

    def wait(self) -> None:
        """Wait until no other thread holds the lock, without acquiring it.

        Raises:
            LaminaError: the time limit is exceeded.
        """
        holder = _holder()
        if holder in (0, threading.get_ident()):
            return
        began, warned = time.monotonic(), False
        while (holder := _holder()) != 0:
            waited = time.monotonic() - began
            if self.timeout is not None and waited >= self.timeout:
                raise LaminaError(self._text(self.timeout, holder))
            if not warned and waited >= self.warn_after:
                warned = True
                warnings.warn(self._text(self.warn_after, holder), UserWarning, stacklevel=3)
            time.sleep(_PAUSE)

    @staticmethod
    def _text(seconds: float, holder: int) -> str:
        name = next((t.name for t in threading.enumerate() if t.ident == holder), "that ended")
        place = _place(sys._current_frames().get(holder))
        return explain(
            f"This thread has waited {seconds:g} s for another thread to build, train or save a "
            "layer.",
            where=f"thread {threading.current_thread().name!r}, at {site()}",
            expected="the other thread to finish",
            received=f"thread {name!r} is still running" + (f", at {place}" if place else ""),
            remedy="If that thread waits in a layer's call for this one, build the layer of this "
            "thread before; if it only takes long, call lamina.set_build_wait(None).",
        )


BUILD_WAIT = _BuildWait()


def _holder() -> int:
    """Return the thread that holds the lock, 0 if none; only the lock's `repr` contains it."""
    found = re.search(r"owner=(\d+)", repr(LOCK))
    return int(found[1]) if found else 0


def _place(frame: FrameType | None) -> Site | None:
    """Return the innermost line of a thread outside of Python's library; None if unknown."""
    while frame is not None:
        file = frame.f_code.co_filename
        library = file.startswith(_LIBRARY) and "site-packages" not in file
        if not library:
            return site(frame)
        frame = frame.f_back
    return None


def set_build_wait(seconds: float | None) -> None:
    """Set how long a thread waits for another thread that builds, trains or saves a layer.

    Only one thread builds layers at a time. After 30 seconds, a waiting thread warns with the name
    of the other thread and the line that it runs. After the time limit it raises a
    :class:`lamina.errors.LaminaError`: the threads may be waiting for each other, for example if a
    layer's ``call`` waits for another thread that calls a layer for the first time.

    Args:
        seconds: positive int or float, the time limit in seconds, 600 initially; None for no limit.

    Raises:
        InputError: ``seconds`` is not a positive number.

    >>> set_build_wait(600)
    """
    number = cast(Any, seconds)
    fits = isinstance(number, int | float) and not isinstance(number, bool) and number > 0
    if number is not None and not fits:
        raise InputError(
            explain(
                "The time limit of set_build_wait is not valid.",
                where=f"called at {site()}",
                expected="a positive number of seconds, or None",
                received=repr(number),
                remedy="Pass 600, for example.",
            )
        )
    BUILD_WAIT.timeout = None if number is None else min(float(number), threading.TIMEOUT_MAX)
