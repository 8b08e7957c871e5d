"""Looking up the classes and functions that a file names, without importing or running them.

Those of Lamina and JAX are listed in :mod:`lamina.saving.allowed_names`. Others come from the
caller, or are layer classes of modules that the program has imported.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any, NoReturn

import jax
import jax.numpy as jnp

from lamina.configured import Configured
from lamina.core.tree.node import Tracked
from lamina.errors import FileFormatError, explain
from lamina.registered import with_registered
from lamina.saving.allowed_names import (
    ARITHMETIC,
    CONFIGURED,
    DATA,
    FUNCTIONS,
    INNER,
    LAYERS,
    OPTIMIZERS,
)

__all__ = ["MODULES", "Names", "is_ours", "label", "raise_unavailable"]

MODULES: dict[str, ModuleType] = {"jax.nn": jax.nn, "jax.numpy": jnp}
"""The modules of JAX whose functions a file may name."""

_OURS = "lamina"
_KNOWN = LAYERS | DATA | CONFIGURED | FUNCTIONS | ARITHMETIC
_BY_INNER_NAME: dict[str, list[str]] = {}
for _name in sorted(LAYERS | DATA | FUNCTIONS | CONFIGURED):
    _BY_INNER_NAME.setdefault(_name.partition(":")[2], []).append(_name)


def label(thing: Any) -> str:
    """The name of a class or function in a file, ``module:Class.Inner``.

    Args:
        thing: a class or a function.

    Returns:
        For a listed one of Lamina's, or one stored as such, its public module and name; else the
        module and the qualified name of its definition.

    >>> from lamina.layers import Dense
    >>> label(Dense), label(Dense.call)
    ('lamina.layers:Dense', 'lamina.layers.dense:Dense.call')
    """
    if is_ours(str(thing.__module__)):
        for name in _BY_INNER_NAME.get(thing.__qualname__, ()):
            if _exported(name) is thing:
                return name
    return f"{thing.__module__}:{thing.__qualname__}"


class Names:
    """Looks up names of the form ``module:Class.Inner``.

    Args:
        given: classes and functions of the caller. An entry matches if its key is the whole name,
            with a colon or a dot; or if its value was defined under the name; or if its key is the
            bare name. The last two never replace a listed name of Lamina.
    """

    def __init__(self, given: Mapping[str, Any] | None = None) -> None:
        self._given = with_registered(given)

    def layer(self, name: str) -> Any:
        """Look up a layer class.

        Args:
            name: the name in the file.

        Returns:
            The class.

        Raises:
            FileFormatError: there is no layer class of that name.
        """
        found = self._found(name, LAYERS)
        if found is None and not is_ours(name):
            found = _defined(name)
        if not isinstance(found, type) or not issubclass(found, Tracked):
            raise_unavailable(name, "a subclass of lamina.Layer", found)
        return found

    def data(self, name: str) -> Any:
        """Look up a dataclass or a named tuple.

        Args:
            name: the name in the file.

        Returns:
            The class.

        Raises:
            FileFormatError: there is no class of that name.
        """
        found = self._found(name, DATA)
        if not isinstance(found, type):
            raise_unavailable(name, "a dataclass or a named tuple", found)
        return found

    def configured(self, name: str) -> Any:
        """Look up a class of losses, metrics, regularizers or constraints.

        Args:
            name: the name in the file.

        Returns:
            The class.

        Raises:
            FileFormatError: there is no class of that name.
        """
        found = self._found(name, CONFIGURED)
        if not isinstance(found, type) or not issubclass(found, Configured):
            raise_unavailable(name, "a class with get_config and from_config", found)
        return found

    def optimizer(self, name: str) -> Any:
        """Look up a function that makes an optimizer, and has a `from_config`.

        Args:
            name: the name in the file.

        Returns:
            The function.

        Raises:
            FileFormatError: there is no such function.
        """
        if name not in OPTIMIZERS:
            raise_unavailable(name, "an optimizer", None)
        return _known(name)

    def given_data(self, name: str) -> Any:
        """Look up a dataclass or a named tuple among those of the caller alone.

        Args:
            name: the name in the file.

        Returns:
            The class.

        Raises:
            FileFormatError: there is no class of that name.
        """
        found = self._whole(name) or self._short(name)
        if not isinstance(found, type):
            raise_unavailable(name, "a named tuple", found)
        return found

    def function(self, name: str) -> Any:
        """Look up a function.

        Args:
            name: the name in the file.

        Returns:
            The function.

        Raises:
            FileFormatError: there is no function of that name.
        """
        found = self._found(name, FUNCTIONS | ARITHMETIC)
        if not callable(found):
            raise_unavailable(name, "a function", found)
        return found

    def listed(self, name: str) -> Any:
        """Look up a listed class of Lamina, whatever its kind.

        Args:
            name: one of the lists of :mod:`lamina.saving.allowed_names`.

        Returns:
            The class.
        """
        return _known(name)

    def listed_function(self, name: str) -> Any:
        """Look up a listed function of Lamina or JAX.

        Args:
            name: the name in the file.

        Returns:
            The function, or None if it is not listed.
        """
        return _known(name) if name in FUNCTIONS | ARITHMETIC else None

    def given(self, name: str) -> Any:
        """Look up a class or function of the caller.

        Args:
            name: the name in the file.

        Returns:
            The class or function; None if the caller has none of that name.
        """
        found = self._whole(name)
        return self._short(name) if found is None else found

    def _found(self, name: str, known: frozenset[str]) -> Any:
        found = self._whole(name)
        if found is None and name in _KNOWN:
            return _known(name) if name in known else None
        return self._short(name) if found is None else found

    def _whole(self, name: str) -> Any:
        """The caller's entry of the whole name."""
        found = self._given.get(name)
        return self._given.get(name.replace(":", ".")) if found is None else found

    def _short(self, name: str) -> Any:
        """The caller's entry that was defined under the name, or has its bare name as key."""
        for value in self._given.values():
            if hasattr(value, "__qualname__") and label(value) == name:
                return value
        inner = name.partition(":")[2]
        found = self._given.get(inner)
        return self._given.get(inner.rpartition(".")[2]) if found is None else found


def is_ours(name: str) -> bool:
    """Check whether a name, or a module, is Lamina's."""
    return name.partition(":")[0].partition(".")[0] == _OURS


def _known(name: str) -> Any:
    """The class or function of a listed name; Lamina's module of that name is imported."""
    module, _, inner = name.partition(":")
    if name in ARITHMETIC:
        return getattr(MODULES[module], inner, None)
    importlib.import_module(INNER.get(name, module))
    return _exported(name)


def _exported(name: str) -> Any:
    """The class or function of a listed name, if the module that exports it is imported."""
    module, _, inner = name.partition(":")
    holder = sys.modules.get(INNER.get(name, module))
    return None if holder is None else vars(holder).get(inner)


def _defined(name: str) -> Any:
    """The class or function that an imported module defines under a name.

    Only the namespaces of the module and of classes are searched: no other attribute is followed,
    and no code runs.
    """
    module, _, inner = name.partition(":")
    start: Any = sys.modules.get(module)
    # type() runs no code of the object; isinstance would, and would import a lazy module
    if not issubclass(type(start), ModuleType):
        return None
    found, kind = start, ModuleType
    for part in inner.split("."):
        if kind not in (ModuleType, type) or not part.isidentifier() or part[:2] == "__":
            return None
        found = kind.__getattribute__(found, "__dict__").get(part)
        kind = next((k for k in (type, FunctionType) if issubclass(type(found), k)), object)
    if kind is object or found.__module__ != module or found.__qualname__ != inner:
        return None
    return found


def raise_unavailable(name: str, wanted: str, found: Any) -> NoReturn:
    """Raise the error of a name that is not available, or names another kind of thing."""
    module, _, inner = name[:200].partition(":")
    short = inner.rpartition(".")[2]
    received, remedy = "no such entry of custom_objects", "Pass"
    if found is not None:
        received = f"{found!r}, which is not"
    elif "Layer" in wanted and not is_ours(name):
        received, remedy = (
            "no class of that name",
            "Import the module that defines it first, or pass",
        )
        if module not in sys.modules:
            received = f"the module {module!r}, which is not imported; files import no modules"
    raise FileFormatError(
        explain(
            f"The file names {inner!r} of {module!r}, which is not available.",
            expected=wanted,
            received=received,
            remedy=f"{remedy} custom_objects={{{short!r}: {short}}}.",
        )
    )
