"""Converting the options of layers to plain JSON, in the form of the configs of Keras."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Generator
from contextvars import ContextVar
from typing import Any, cast

import jax
import numpy as np

from lamina import activations
from lamina.configured import array_config
from lamina.core.tree.node import Tracked
from lamina.errors import UnknownNameError
from lamina.registered import registered_name
from lamina.saving.encoding import Encoder
from lamina.saving.lookup import MODULES, label
from lamina.saving.plain_data import LARGEST

__all__ = ["FUNCTION", "SHARED", "TUPLE", "VALUE", "Writer", "writing", "writing_with"]

FUNCTION, TUPLE, VALUE = "function", "__tuple__", "__value__"
"""The `class_name` of values that are not objects with a config."""

SHARED = "shared_object_id"
"""The key of the number of a layer that occurs more than once."""

_OBJECT = ("module", "class_name", "config", "registered_name")

_WRITER: ContextVar[Writer | None] = ContextVar("config_writer", default=None)


class Writer:
    """Converts values to JSON; a layer that occurs twice is marked by a number.

    The configs of nested layers are written by one writer, which :func:`writing` returns.

    Attributes:
        frozen: the number of frozen layers around the one that is written.
    """

    def __init__(self) -> None:
        self.frozen = 0
        self._written: dict[int, tuple[object, dict[str, Any]]] = {}
        self._shared = 0

    def value(self, value: Any, place: str, lists: bool = False) -> Any:
        """Convert a value.

        Args:
            value: the value.
            place: what the value is, for errors, such as ``"the argument 'units' of Dense"``.
            lists: whether tuples become lists, because the layer takes either. Default False.

        Returns:
            JSON.

        Raises:
            LaminaError: the value, or something in it, cannot be stored.
        """
        if value is None or isinstance(value, bool | str):
            return value
        kind = type(cast(object, value))
        if kind in (list, tuple):
            items = [self.value(item, place, lists) for item in value]
            return items if kind is list or lists else {"class_name": TUPLE, "items": items}
        if kind is dict and _is_plain(value):
            pairs = value.items()
            return {name: self.value(item, f"[{name!r}] of {place}") for name, item in pairs}
        if hasattr(value, "get_config") and not isinstance(value, type):
            return self.object(value)
        if isinstance(value, np.generic):
            return self.value(value.item(), place)
        if callable(value) and not isinstance(value, type):
            described = _function(value, place)
            if described is not None:
                return described
        if isinstance(value, np.ndarray | jax.Array) and value.nbytes <= LARGEST:
            return array_config(value) if isinstance(value, np.ndarray) else _tensor(value)
        recorded = Encoder().record(value, place)
        return recorded if isinstance(recorded, int | float) else _value(recorded)

    def object(self, thing: Any) -> dict[str, Any]:
        """Convert an object with a method `get_config`.

        Args:
            thing: a layer, a loss, a metric, an initializer, or another such object.

        Returns:
            A dict of `module`, `class_name`, `config` and `registered_name`.
        """
        if id(thing) in self._written:
            _, described = self._written[id(thing)]
            if SHARED not in described:
                described[SHARED] = self._shared
                self._shared += 1
            return {key: described[key] for key in (*_OBJECT, SHARED)}
        with writing():
            config = self._plain(thing.get_config(), f"config of {type(thing).__name__}")
        module, _, name = label(type(thing)).partition(":")
        described = {
            "module": module,
            "class_name": name,
            "config": config,
            "registered_name": None
            if module.partition(".")[0] == "lamina"
            else registered_name(type(thing)) or name,
        }
        if isinstance(thing, Tracked):
            self._written[id(thing)] = thing, described
        return described

    def _plain(self, value: Any, place: str) -> Any:
        """Convert the objects that a `get_config` returned; what JSON can hold remains."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, list | tuple):
            return [self._plain(item, place) for item in cast("list[Any]", value)]
        if isinstance(value, dict):
            pairs = cast("dict[Any, Any]", value).items()
            return {name: self._plain(item, f"[{name!r}] of {place}") for name, item in pairs}
        return self.value(value, place)


@contextlib.contextmanager
def writing_with(writer: Writer) -> Generator[None]:
    """Write configs by a writer of another kind inside a `with` block."""
    token = _WRITER.set(writer)
    try:
        yield
    finally:
        _WRITER.reset(token)


@contextlib.contextmanager
def writing(layer: Tracked | None = None) -> Generator[Writer]:
    """Use the writer of the config that is being made, or a new one.

    Args:
        layer: the layer whose options are written; None (default) for another object.
    """
    writer = _WRITER.get() or Writer()
    token = _WRITER.set(writer)
    frozen = layer is not None and not layer._lamina.trainable
    writer.frozen += frozen
    try:
        yield writer
    finally:
        writer.frozen -= frozen
        _WRITER.reset(token)


def _is_plain(value: Any) -> bool:
    return "class_name" not in value and all(type(name) is str for name in value)


def _function(value: Any, place: str) -> Any:
    """A function by its name; None if it has none."""
    name = getattr(value, "__name__", "")
    if place.endswith("activation'") and _is_activation(name, value):
        return name
    module = next((m for m, names in MODULES.items() if vars(names).get(name) is value), None)
    inner = name
    if module is None:
        if not inspect.isfunction(value) or "<lambda>" in value.__qualname__:
            return None
        module, _, inner = label(value).partition(":")
    return {"module": module, "class_name": FUNCTION, "config": inner, "registered_name": name}


def _is_activation(name: str, value: Any) -> bool:
    """Whether a function is the one that `activations.get` finds by its name."""
    try:
        return activations.get(name) is value
    except UnknownNameError:
        return False


def _tensor(value: jax.Array) -> dict[str, Any]:
    return array_config(value) | {"class_name": "__tensor__"}


def _value(recorded: Any) -> Any:
    return {"class_name": VALUE, "config": recorded}
