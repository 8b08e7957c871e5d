"""Configs of initializers, activations, losses and the like, for a layer's own `get_config`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from lamina.errors import InputError, explain
from lamina.registered import registered_name, with_registered

__all__ = ["given_by", "serialize"]


def serialize(identifier: Any) -> Any:
    """Convert an object or a function to plain JSON, for a layer's own `get_config`.

    Args:
        identifier: an activation, initializer, regularizer, constraint, loss or metric; or None.

    Returns:
        A dict of ``module``, ``class_name``, ``config`` and ``registered_name`` for an object, the
        name of a function, and None for None. `get` and `deserialize` accept them.

    Raises:
        InputError: it is neither.

    >>> from lamina import activations, regularizers
    >>> activations.serialize(activations.relu)
    'relu'
    >>> regularizers.deserialize(regularizers.serialize(regularizers.L2(0.1)))
    L2(l2=0.1)
    """
    if identifier is None or isinstance(identifier, str):
        return identifier
    if hasattr(identifier, "get_config") and not isinstance(identifier, type):
        kind = cast("type[Any]", type(identifier))
        module, ours = kind.__module__, kind.__module__.startswith("lamina.")
        return {
            "module": ".".join(module.split(".")[:2]) if ours else module,
            "class_name": kind.__name__,
            "config": identifier.get_config(),
            "registered_name": None if ours else registered_name(kind) or kind.__name__,
        }
    name = getattr(identifier, "__name__", "<")
    if name.startswith("<"):
        raise InputError(
            explain(
                "A config holds functions by their names.",
                expected="an object with get_config, a function with a name, or None",
                received=repr(identifier),
                remedy="Define the function by def.",
            )
        )
    return name


def given_by(config: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    """Return the object of a config whose name is among the custom objects.

    Args:
        config: a result of :func:`serialize`.
        custom_objects: classes and functions by name; None for none.

    Returns:
        The object; or the config itself, for `get`, if the name is not among them.

    >>> given_by("squared", {"squared": abs}), given_by("relu", None)
    (<built-in function abs>, 'relu')
    """
    known = with_registered(custom_objects)
    if isinstance(config, str):
        return known.get(config, config)
    if not isinstance(config, Mapping):
        return config
    fields = cast("Mapping[str, Any]", config)
    if fields.get("class_name") == "function":
        return known.get(fields["config"], fields["config"])
    kind = known.get(fields.get("class_name", ""))
    return fields if kind is None else kind.from_config(fields["config"])
