"""The classes and functions that a config names, with Keras's names for Lamina's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.errors import FileFormatError, explain
from lamina.saving.allowed_names import CONFIGURED, LAYERS
from lamina.saving.lookup import Names, is_ours

__all__ = ["class_named", "function_named"]

_KERAS = ("keras", "tf_keras", "tensorflow")
_ROOMS = (
    "layers",
    "models",
    "losses",
    "metrics",
    "initializers",
    "regularizers",
    "constraints",
    "activations",
    "quantizers",
)


def class_named(fields: Mapping[str, Any], names: Names) -> Any:
    """Find the class of an object in a config.

    Args:
        fields: a dict of `class_name`, and optionally `module` and `registered_name`.
        names: the lookup of classes by name.

    Returns:
        A class with a method `from_config`.

    Raises:
        FileFormatError: there is no such class.
    """
    module, name = str(fields.get("module") or ""), str(fields["class_name"])
    for listed in (f"{module}:{name}", *(f"lamina.{room}:{name}" for room in _rooms(module))):
        if listed in LAYERS | CONFIGURED:
            return names.listed(listed)
    found = _given(fields, names)
    if found is None and module and not is_ours(module):
        found = names.layer(f"{module}:{name}")
    if not isinstance(found, type) or not callable(getattr(found, "from_config", None)):
        raise _unavailable("class", fields, name, found)
    return found


def function_named(fields: Mapping[str, Any], names: Names) -> Any:
    """Find a function in a config.

    Args:
        fields: a dict of `config`, the name; and optionally `module` and `registered_name`.
        names: the lookup of functions by name.

    Returns:
        The function.

    Raises:
        FileFormatError: there is no such function.
    """
    module, name = str(fields.get("module") or ""), str(fields.get("config"))
    for listed in (f"{module}:{name}", *(f"lamina.{room}:{name}" for room in _rooms(module))):
        found = names.listed_function(listed)
        if found is not None:
            return found
    found = _given({**fields, "class_name": name}, names)
    if not callable(found) or isinstance(found, type):
        raise _unavailable("function", fields, name, found)
    return found


def _rooms(module: str) -> tuple[str, ...]:
    """The modules of Lamina that a module of Keras stands for; all of them for none."""
    first, *rest = module.split(".")
    if not module:
        return _ROOMS
    if module == "builtins":  # where Keras says that functions are
        return ("activations",)
    if first not in _KERAS:
        return ()
    if "schedules" in rest:
        return ("compat.tf.keras.schedules",)
    if "optimizers" in rest:
        return ("compat.tf.keras.optimizers",)
    named = tuple(room for room in _ROOMS if room in rest)
    return named or ("models", "layers")


def _given(fields: Mapping[str, Any], names: Names) -> Any:
    module, name = str(fields.get("module") or ""), str(fields["class_name"])
    registered = str(fields.get("registered_name") or name)
    # Keras registers classes and functions as "package>Name".
    package = registered if ">" in registered else ""
    tried = (package, f"{module}:{name}", registered, name, registered.rpartition(">")[2])
    found = (names.given(one) for one in (*tried, name.rpartition(">")[2]) if one)
    return next((one for one in found if one is not None), None)


def _unavailable(what: str, fields: Mapping[str, Any], name: str, found: Any) -> FileFormatError:
    short = name.rpartition(".")[2][:100]
    module = str(fields.get("module"))[:100]
    return FileFormatError(
        explain(
            f"The config names the {what} {name[:100]!r} of {module!r}, which is not available.",
            expected=f"a {what} of Lamina, or one of custom_objects",
            received="no such entry of custom_objects" if found is None else f"{found!r}"[:200],
            remedy=f"Pass custom_objects={{{short!r}: {short}}}.",
        )
    )
