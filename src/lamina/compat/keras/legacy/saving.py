"""`keras.legacy.saving`: objects as plain data, with the arguments of Keras 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.compat.keras import saving
from lamina.compat.keras.missing import missing

__all__ = ["deserialize_keras_object", "serialize_keras_object"]


def serialize_keras_object(instance: Any) -> Any:
    """Describe an object as plain data; see :func:`lamina.serialize`.

    Args:
        instance: the object.
    """
    return None if instance is None else saving.serialize_keras_object(instance)


def deserialize_keras_object(
    identifier: Any,
    module_objects: Mapping[str, Any] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """Make the object that :func:`serialize_keras_object` described.

    Args:
        identifier: plain data, or the name of an object of the caller.
        module_objects: classes and functions by name. Default None.
        custom_objects: others, which go first. Default None.
        printable_module_name: has no effect.
    """
    known = {**(module_objects or {}), **(custom_objects or {})}
    if isinstance(identifier, str) and identifier in known:
        found = known[identifier]
        return found() if isinstance(found, type) else found
    return saving.deserialize_keras_object(identifier, custom_objects=known)


def __getattr__(name: str) -> Any:
    raise missing("keras.legacy.saving", name, __all__)
