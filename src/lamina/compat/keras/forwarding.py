"""Modules whose names are those of other modules, or all missing."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lamina.compat.keras.missing import missing

__all__ = ["add_empty_modules", "forwarded"]


def forwarded(
    namespace: str,
    sources: Mapping[str, Iterable[str]],
    modules: Iterable[str] = (),
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and the `__dir__` of a module with names of other modules.

    Args:
        namespace: the module in Keras, such as ``"keras.layers"``.
        sources: the names, by the module of Lamina that has them.
        modules: modules below this one.

    Returns:
        The two functions. Each module is imported at the first use of a name.

    >>> get, names = forwarded("keras.tree", {"jax.tree": ["map"]})
    >>> names(), get("map").__name__
    (['map'], 'map')
    """
    origins = {name: module for module, names in sources.items() for name in names}
    own = f"lamina.compat.{namespace}"

    def __getattr__(name: str) -> Any:  # noqa: N807 - it is one, of the module
        if name == "__all__":  # for `from module import *`
            return __dir__()
        if name in modules:
            return importlib.import_module(f"{own}.{name}")
        if name not in origins:
            raise missing(namespace, name, origins)
        return getattr(importlib.import_module(origins[name]), name)

    def __dir__() -> list[str]:  # noqa: N807 - it is one, of the module
        return sorted({*origins, *modules})

    return __getattr__, __dir__


class _EmptyModule(types.ModuleType):
    """A module of Keras without any name that Lamina has."""

    def __getattr__(self, name: str) -> Any:
        raise missing(self.__name__.removeprefix("lamina.compat."), name, ())


def add_empty_modules(package: str, names: str) -> Mapping[str, types.ModuleType]:
    """Make modules that can be imported, and whose names are errors that say what serves instead.

    Args:
        package: the name of the module above them.
        names: their names, with spaces in between.

    Returns:
        The modules by their names.
    """
    made = {name: _EmptyModule(f"{package}.{name}") for name in names.split()}
    sys.modules.update({module.__name__: module for module in made.values()})
    return made
