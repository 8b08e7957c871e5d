"""What makes importing Lamina fast: modules that are imported at their first use."""

from __future__ import annotations

import contextlib
import gc
import importlib
from collections.abc import Generator
from typing import Any

__all__ = ["lazily", "without_collection"]


class _LazyModule:
    """Imports a module when one of its attributes is read."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)

    def __repr__(self) -> str:
        return f"<module {self._name!r}, imported at its first use>"


def lazily(name: str) -> Any:
    """Return an object with the attributes of a module, which is imported when one is read.

    Args:
        name: the full name of the module.

    >>> lazily("json").dumps([1])
    '[1]'
    """
    return _LazyModule(name)


@contextlib.contextmanager
def without_collection() -> Generator[None]:
    """In a `with` block, pause the garbage collector.

    What an import creates stays, but it makes Python search all objects of JAX for garbage, which
    takes as long as the import of Lamina itself.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
