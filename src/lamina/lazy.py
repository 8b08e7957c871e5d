"""Modules that are imported when they are first used: importing Lamina should not wait for them."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

__all__ = ["lazily"]


def lazily(name: str) -> Any:
    """The module of that name, which is loaded when something of it is first asked for.

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
