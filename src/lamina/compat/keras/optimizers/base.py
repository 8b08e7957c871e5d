"""`keras.optimizers.Optimizer`, and the functions that make optimizers from names and configs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, cast

import lamina
from lamina.compat.keras.saving import deserialize_keras_object
from lamina.compat.tf.keras import optimizers
from lamina.errors import InputError, UnknownNameError, explain, nearest
from lamina.training.optimizers.applying import Applying
from lamina.training.optimizers.update_steps import UpdateSteps

__all__ = ["Optimizer", "deserialize", "get", "serialize"]

_KINDS: dict[str, Any] = {
    name.lower(): getattr(optimizers, name) for name in optimizers.__all__ if name != "schedules"
}


class _Kind(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return cls.__subclasscheck__(type(instance))

    def __subclasscheck__(cls, subclass: Any) -> bool:
        wanted: Any = Applying if cls.__module__ == __name__ else cls
        return wanted in subclass.__mro__


class Optimizer(UpdateSteps, metaclass=_Kind):
    """The base class of optimizers of one's own; all optimizers are instances of it.

    A subclass defines ``build(variables)`` and ``update_step(gradient, variable, learning_rate)``.
    Its options are those of :class:`lamina.training.optimizers.update_steps.UpdateSteps`.

    >>> isinstance(optimizers.Adam(), Optimizer)
    True
    """


def get(identifier: Any) -> Any:
    """Return an optimizer.

    Args:
        identifier: its name in any case, a config, an optimizer, or None.

    Returns:
        An optimizer; None for None.

    Raises:
        UnknownNameError: there is no optimizer of that name.
        InputError: it is something else.

    >>> get("sgd").get_config()["learning_rate"]
    0.01
    """
    if identifier is None or isinstance(identifier, Applying):
        return identifier
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier, "config": {}})
    if isinstance(identifier, Mapping):
        return deserialize(cast("Mapping[str, Any]", identifier))
    raise InputError(
        explain(
            "Could not interpret optimizer identifier.",
            expected="a name, a config, or an optimizer",
            received=repr(identifier),
            remedy="Pass 'adam', for example.",
        )
    )


def serialize(optimizer: Any) -> dict[str, Any]:
    """Describe an optimizer as plain data.

    Args:
        optimizer: the optimizer.

    >>> serialize(optimizers.SGD(0.5))["class_name"]
    'SGD'
    """
    return lamina.serialize(optimizer)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make the optimizer that :func:`serialize` described.

    Args:
        config: a dict with ``class_name``, in any case, and ``config``.
        custom_objects: classes by name; None (default) for none.

    Raises:
        UnknownNameError: there is no optimizer of that name.
    """
    name = config["class_name"]
    if name == "MultiOptimizer":
        multi = importlib.import_module("lamina.compat.keras.optimizers.multi")
        return multi.MultiOptimizer.from_config(config["config"], custom_objects)
    kind = _KINDS.get(name.lower())
    if kind is not None and name not in (custom_objects or {}):
        return kind.from_config(config.get("config", {}), custom_objects=custom_objects)
    try:
        return deserialize_keras_object(config, custom_objects)
    except lamina.errors.FileFormatError as error:
        raise UnknownNameError(
            explain(
                f"Unknown optimizer {name!r}.",
                received=repr(name),
                remedy=nearest(name.lower(), _KINDS) + " Or pass its class in custom_objects.",
            )
        ) from error
