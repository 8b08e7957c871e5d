"""Modules that are loaded at their first use, so that importing Lamina is fast."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

__all__ = ["lazily"]


def lazily(name: str) -> Any:
    """Return a module that is loaded when one of its attributes is first read.

    Args:
        name: the full name of the module; its parent package must be imported.

    Returns:
        The module.

    Raises:
        ModuleNotFoundError: there is no such module.

    >>> lazily("json").dumps([1])
    '[1]'
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    spec.loader.exec_module(module)
    return module
