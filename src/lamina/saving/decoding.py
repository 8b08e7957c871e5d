"""Decoding values from JSON: layers, options, arrays, and named classes and functions."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, cast

import jax.numpy as jnp

from lamina import initializers
from lamina.core.base.load_limits import ALLOWANCE
from lamina.core.tree.node import Tracked
from lamina.errors import FileFormatError, explain
from lamina.saving import plain_data
from lamina.saving.dtypes import dtype_named
from lamina.saving.lookup import Names, raise_unavailable

__all__ = ["Decoder"]


class Decoder:
    """Decodes the JSON of an :class:`lamina.saving.encoding.Encoder`.

    Args:
        names: the lookup of classes and functions by name.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._layers: dict[int, Tracked] = {}
        self._numbers = 0.0
        self._kinds: dict[str, Callable[[dict[str, Any]], Any]] = {
            "float": plain_data.float_of,
            "complex": plain_data.complex_of,
            "tuple": lambda fields: tuple(self._list(fields["items"])),
            "dict": lambda fields: plain_data.dict_of(fields, self._make),
            "spec": plain_data.spec_of,
            "dtype": lambda fields: dtype_named(fields["name"], keys=True),
            "array": plain_data.array_of,
            "scalar": lambda fields: plain_data.array_of(fields)[()],
            "jax array": lambda fields: jnp.asarray(plain_data.array_of(fields)),
            "initializer": self._initializer,
            "partial": self._partial,
            "function": lambda fields: names.function(plain_data.text_of(fields["name"])),
            "class": lambda fields: names.layer(plain_data.text_of(fields["class"])),
            "same": self._same,
            "layer": self._layer,
            "namedtuple": self._namedtuple,
            "dataclass": self._dataclass,
            "configured": self._configured,
            "optimizer": self._optimizer,
        }

    def make(self, described: Any) -> Any:
        """Decode a value.

        Args:
            described: JSON.

        Returns:
            The value.

        Raises:
            FileFormatError: the JSON is damaged, or names a class or function that is not
                available.
        """
        try:
            made = self._make(described)
            allowance = ALLOWANCE.get()
            if allowance is not None:
                allowance.listed(int(self._numbers))
            return made
        except FileFormatError:
            raise
        except Exception as error:
            raise _damaged(error) from error

    def _make(self, described: Any) -> Any:
        if isinstance(described, list):
            return self._list(cast("list[Any]", described))
        if not isinstance(described, dict):
            return described
        fields = cast("dict[str, Any]", described)
        return self._kinds[fields["is"]](fields)

    def _list(self, items: Any) -> list[Any]:
        self._numbers += sum(isinstance(item, int | float) for item in items)
        if self._numbers > plain_data.LARGEST:
            raise ValueError(
                f"lists hold more than {plain_data.LARGEST:,} numbers, which should be weights"
            )
        return [self._make(item) for item in items]

    def _initializer(self, fields: dict[str, Any]) -> Any:
        numbers, self._numbers = self._numbers, -math.inf  # read once, into an array
        made = initializers.from_config(self._make(fields["config"]))
        self._numbers = numbers
        return made

    def _named(self, items: dict[str, Any]) -> dict[str, Any]:
        return {name: self._make(item) for name, item in items.items()}

    def _partial(self, fields: dict[str, Any]) -> Any:
        args, kwargs = self._list(fields["args"]), self._named(fields["kwargs"])
        return functools.partial(self._make(fields["function"]), *args, **kwargs)

    def _layer(self, fields: dict[str, Any]) -> Tracked:
        kind = self._names.layer(plain_data.text_of(fields["class"]))
        args, kwargs = self._list(fields["args"]), self._named(fields["kwargs"])
        layer = _constructed(kind, args, kwargs)
        if not isinstance(layer, Tracked):
            raise_unavailable(fields["class"], "a class of layers", layer)
        number = fields["number"]
        if not plain_data.is_size(number) or number in self._layers:
            raise ValueError(f"a layer has the number {str(number)[:40]}")
        self._layers[number] = layer
        return layer

    def _same(self, fields: dict[str, Any]) -> Tracked:
        allowance = ALLOWANCE.get()
        if allowance is not None:
            allowance.repeat()
        return self._layers[fields["number"]]

    def _namedtuple(self, fields: dict[str, Any]) -> Any:
        kind: Any = self._names.data(plain_data.text_of(fields["class"]))
        if not plain_data.is_namedtuple(kind):
            raise_unavailable(fields["class"], "a named tuple", kind)
        return _constructed(kind, self._list(fields["items"]), {})

    def _dataclass(self, fields: dict[str, Any]) -> Any:
        kind: Any = self._names.data(plain_data.text_of(fields["class"]))
        if not dataclasses.is_dataclass(kind):
            raise_unavailable(fields["class"], "a dataclass", kind)
        return _constructed(kind, [], self._named(fields["fields"]))

    def _configured(self, fields: dict[str, Any]) -> Any:
        return self._from_config(fields, self._names.configured)

    def _optimizer(self, fields: dict[str, Any]) -> Any:
        return self._from_config(fields, self._names.optimizer)

    def _from_config(self, fields: dict[str, Any], find: Callable[[str], Any]) -> Any:
        kind = find(plain_data.text_of(fields["class"]))
        config = self._make(fields["config"])
        if not isinstance(config, dict):
            raise ValueError("a config is not a dict")
        return _constructed(kind, [config], {}, kind.from_config)


def _constructed(kind: Any, args: list[Any], kwargs: dict[str, Any], make: Any = None) -> Any:
    """Construct an object of a class, by its constructor or another function."""
    try:
        return (make or kind)(*args, **kwargs)
    except FileFormatError:
        raise
    except Exception as error:
        raise FileFormatError(
            explain(
                f"{kind.__name__} cannot be made with the arguments in the file.",
                where=f"{kind.__module__}.{kind.__qualname__}",
                expected="a constructor with the same arguments as when the model was saved",
                received=f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}",
                remedy="Make the model in code and call load_weights on it.",
            )
        ) from error


def _damaged(error: Exception) -> FileFormatError:
    return FileFormatError(
        explain(
            "The description of the model in the file is damaged.",
            expected="the JSON that Lamina writes",
            received=f"{type(error).__name__}: {str(error)[:200]}",
            remedy="Make the model in code and call load_weights on it.",
        )
    )
