"""Python's collector of garbage in reference cycles."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Generator

__all__ = ["paused_collection"]


@contextlib.contextmanager
def paused_collection() -> Generator[None]:
    """In a `with` block, pause the collector, unless the user has turned it off.

    For code that creates many objects which all stay, such as plans and imports: the collector
    would search all objects of the process, those of JAX included, and find nothing.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
