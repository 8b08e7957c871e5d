"""Making the options of layers from the JSON of a config, of Lamina or of Keras.

Classes and functions are looked up by name as for files: nothing is imported or unpickled.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from contextvars import ContextVar
from typing import Any, cast

import jax.numpy as jnp

from lamina.configured import ARRAY, array_from
from lamina.core.tree.node import Tracked
from lamina.errors import FileFormatError, LaminaError, explain
from lamina.saving.config_names import class_named, function_named
from lamina.saving.config_writer import FUNCTION, SHARED, TUPLE, VALUE
from lamina.saving.decoding import Decoder
from lamina.saving.lookup import Names
from lamina.saving.recreation import recreated

__all__ = ["Reader", "reading_config"]

_READER: ContextVar[Reader | None] = ContextVar("config_reader", default=None)


class Reader:
    """Makes values from JSON; layers of one number are one layer.

    Args:
        names: the lookup of classes and functions by name.

    Attributes:
        frozen: the number of frozen layers around the one that is read.
        builds: whether models whose input is known are built. Default True.
    """

    def __init__(self, names: Names) -> None:
        self.frozen = 0
        self.builds = True
        self.names = names
        self._shared: dict[Any, Any] = {}
        self._copies: dict[int, Any] = {}

    def value(self, described: Any) -> Any:
        """Make a value.

        Args:
            described: JSON, in which layers may stand as objects; these are copied.

        Returns:
            The value.

        Raises:
            FileFormatError: the JSON is not that of a config, or names a class or function that is
                not available.
        """
        if isinstance(described, Tracked):
            return recreated(described, self._copies)
        if type(described) in (list, tuple):
            return type(described)([self.value(item) for item in described])
        if type(described) is not dict:
            return described
        fields = cast("dict[str, Any]", described)
        if "class_name" in fields and ("config" in fields or "items" in fields):
            return self._made(fields)
        return {name: self.value(item) for name, item in fields.items()}

    def _made(self, fields: dict[str, Any]) -> Any:
        kind, inner = fields["class_name"], fields.get("config")
        if kind == TUPLE:
            return tuple(self.value(item) for item in fields["items"])
        if kind == VALUE:
            return Decoder(self.names).make(inner)
        try:
            if kind in (ARRAY, "__tensor__"):
                array = array_from(fields | {"class_name": ARRAY})
                return array if kind == ARRAY else jnp.asarray(array)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(kind, str(error)) from error
        if kind == "__ellipsis__":
            return Ellipsis
        if kind == "__slice__" and isinstance(inner, dict):
            ends = self.value(inner)
            return slice(*(ends.get(name) for name in ("start", "stop", "step")))
        if kind == FUNCTION:
            return function_named(fields, self.names)
        if kind == "DTypePolicy":
            return cast("dict[str, Any]", inner)["name"] if isinstance(inner, dict) else inner
        if not isinstance(kind, str) or kind.startswith("__"):
            raise _refused(kind)
        return self.object(fields)

    def object(self, fields: Mapping[str, Any]) -> Any:
        """Make an object with a method `from_config`.

        Args:
            fields: a dict of `class_name` and `config`, and optionally `module` and
                `registered_name`.

        Returns:
            The object.

        Raises:
            FileFormatError: the class is not available, or cannot be made with the config.
        """
        number = fields.get(SHARED)
        if number is not None and number in self._shared:
            return self._shared[number]
        kind = class_named(fields, self.names)
        inner = fields.get("config")
        if not isinstance(inner, Mapping) and inner is not None:
            raise _damaged(fields["class_name"], repr(inner)[:200])
        try:
            made = kind.from_config(dict(cast("Mapping[str, Any]", inner or {})))
        except LaminaError:
            raise
        except Exception as error:
            received = f"{type(error).__name__}: {error}"[:300]
            raise _damaged(fields["class_name"], received) from error
        if number is not None:
            self._shared[number] = made
        return made


@contextlib.contextmanager
def reading_config(
    custom_objects: Mapping[str, Any] | None = None, config: Mapping[str, Any] | None = None
) -> Generator[Reader]:
    """Use the reader of the config that is being read, or a new one.

    Args:
        custom_objects: classes and functions by name, for a new reader; None (default) for none.
        config: the config of the layer that is read; None (default) for another object.
    """
    present = _READER.get()
    reader = Reader(Names(custom_objects)) if present is None or custom_objects else present
    token = _READER.set(reader)
    frozen = config is not None and config.get("trainable") is False
    reader.frozen += frozen
    try:
        yield reader
    finally:
        reader.frozen -= frozen
        _READER.reset(token)


def _damaged(kind: Any, received: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"The config of {str(kind)[:100]!r} is not valid.",
            expected="the result of get_config",
            received=received,
            remedy="Make the object in code.",
        )
    )


def _refused(kind: Any) -> FileFormatError:
    code = kind == "__lambda__"
    return FileFormatError(
        explain(
            "The config has the code of a lambda, which is not executed."
            if code
            else "The config has a value of an unknown type.",
            expected="functions by name, layers, numbers, text, lists, dicts and arrays",
            received=str(kind)[:100],
            remedy="Define the function by def, and pass it in custom_objects."
            if code
            else "Make the object in code.",
        )
    )
