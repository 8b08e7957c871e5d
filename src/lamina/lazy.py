"""Modules that are imported at their first use, so that importing Lamina is fast."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["lazily"]


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
