"""Encoding values as JSON: specs, options, and layers by class and arguments.

Values that JSON has are stored as they are. Every other value is a JSON object whose ``is`` gives
its kind.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina import initializers
from lamina.configured import Configured
from lamina.core.calling.constructor import constructed_with
from lamina.core.specs.spec import Arguments, Spec
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.errors import LaminaError, explain
from lamina.saving.allowed_names import CONFIGURED, DATA, OPTIMIZERS
from lamina.saving.dtypes import KEYS, key_dtype
from lamina.saving.lookup import MODULES, label
from lamina.saving.plain_data import LARGEST

__all__ = ["Encoder", "UnencodableError"]


class UnencodableError(LaminaError):
    """A value that cannot be encoded as JSON."""


class Encoder:
    """Encodes values; a layer that occurs twice is stored once.

    Attributes:
        named: the classes and functions that were named, by their names.
    """

    def __init__(self) -> None:
        self.named: dict[str, Any] = {}
        self._numbers: dict[int, int] = {}
        self._open: list[object] = []

    def record(self, value: Any, place: str) -> Any:
        """Encode a value.

        Args:
            value: the value.
            place: what the value is, for errors, such as ``"the argument 'units' of Dense"``.

        Returns:
            JSON.

        Raises:
            UnencodableError: the value, or something in it, cannot be encoded.
        """
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return str(value)
        if isinstance(value, int):
            return int(value)
        if type(value) is float:
            return value if math.isfinite(value) else {"is": "float", "value": repr(value)}
        if isinstance(value, Tracked | Mapping | list | tuple) or _is_data(value):
            return self._nested(cast(Any, value), place)
        return self._leaf(value, place)

    def arguments(self, given: Arguments, place: str) -> Any:
        """Encode the arguments of a call.

        Args:
            given: specs and other inputs.
            place: what the arguments are, for errors.

        Returns:
            JSON.

        Raises:
            UnencodableError: an input cannot be encoded.
        """
        return {
            "args": [
                self.record(value, f"{place}, input {i}") for i, value in enumerate(given.args)
            ],
            "kwargs": [
                [key, self.record(value, f"{place}, input {key}")]
                for key, value in given.kwargs.items()
            ],
        }

    def _nested(self, value: Any, place: str) -> Any:
        if any(value is other for other in self._open):
            raise _unencodable(place, value, "something that contains itself")
        self._open.append(value)
        try:
            if isinstance(value, Tracked):
                return self._layer(value, place)
            if isinstance(value, Mapping):
                return self._dict(cast("Mapping[Any, Any]", value), place)
            if isinstance(value, list | tuple):
                return self._sequence(cast("list[Any] | tuple[Any, ...]", value), place)
            return self._fields(value, place)
        finally:
            self._open.pop()

    def _layer(self, layer: Tracked, place: str) -> Any:
        if id(layer) in self._numbers:
            return {"is": "same", "number": self._numbers[id(layer)]}
        kind = type(layer)
        arguments, keywords = constructed_with(layer)
        names = _positional_names(kind, len(arguments))
        outer = "" if place == kind.__name__ else f", in {place}"
        described = {
            "is": "layer",
            "class": self._name(kind),
            "args": [
                self.record(value, f"{name} of {kind.__name__}{outer}")
                for name, value in zip(names, arguments, strict=True)
            ],
            "kwargs": {
                name: self.record(value, f"the argument {name!r} of {kind.__name__}{outer}")
                for name, value in keywords.items()
            },
        }
        number = self._numbers[id(layer)] = len(self._numbers)
        return described | {"number": number}

    def _dict(self, value: Mapping[Any, Any], place: str) -> Any:
        if not isinstance(value, dict):
            raise _unencodable(place, value, f"a {type(value).__name__}")
        items = [
            [self.record(key, f"a key of {place}"), self.record(item, f"[{key!r}] of {place}")]
            for key, item in value.items()
        ]
        return {"is": "dict", "items": items}

    def _sequence(self, value: list[Any] | tuple[Any, ...], place: str) -> Any:
        items = [self.record(item, f"[{index}] of {place}") for index, item in enumerate(value)]
        if type(value) is list:
            return items
        if type(value) is tuple:
            return {"is": "tuple", "items": items}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return {"is": "namedtuple", "class": self._name(type(value)), "items": items}
        raise _unencodable(place, value, f"a {type(value).__name__}")

    def _fields(self, value: Any, place: str) -> Any:
        fields = {
            field.name: self.record(getattr(value, field.name), f"{field.name} of {place}")
            for field in dataclasses.fields(value)
            if field.init
        }
        return {"is": "dataclass", "class": self._name(type(value)), "fields": fields}

    def _leaf(self, value: Any, place: str) -> Any:
        if label(type(value)) in OPTIMIZERS:
            return self._with_config("optimizer", value, place)
        if isinstance(value, Configured) and not isinstance(value, initializers.Initializer):
            return self._with_config("configured", value, place)
        if isinstance(value, Spec):
            kind = value.dtype if value.is_text else self._dtype(value.dtype)
            return {"is": "spec", "shape": list(value.shape), "dtype": kind}
        if isinstance(value, initializers.Initializer):
            return self._initializer(value, place)
        if isinstance(value, complex):
            return {"is": "complex", "parts": [repr(value.real), repr(value.imag)]}
        if isinstance(value, np.ndarray | np.generic | jax.Array):
            return self._array(value, place)
        if _is_dtype(value):
            return {"is": "dtype", "name": self._dtype(value)}
        if isinstance(value, functools.partial):
            return self._partial(cast("functools.partial[Any]", value), place)
        if _subclasses(value, Tracked):
            return {"is": "class", "class": self._name(value)}
        if callable(value) and not isinstance(value, Variable):
            return self._function(value, place)
        what = "a weight of another layer" if isinstance(value, Variable) else repr(value)
        raise _unencodable(place, value, what)

    def _with_config(self, kind: str, value: Any, place: str) -> Any:
        try:
            config = value.get_config()
        except LaminaError:
            raise _unencodable(place, value, f"a {type(value).__name__} without a config") from None
        name = self._name(type(value))
        return {"is": kind, "class": name, "config": self.record(config, place)}

    def _initializer(self, value: initializers.Initializer, place: str) -> Any:
        try:
            config = initializers.to_config(value)
        except LaminaError:
            raise _unencodable(place, value, "a custom initializer") from None
        return {"is": "initializer", "config": self.record(config, place)}

    def _array(self, value: Any, place: str) -> Any:
        array = np.asarray(value, order="C")
        if array.nbytes > LARGEST or array.dtype.hasobject:
            raise _unencodable(place, value, f"an array of shape {array.shape}, {array.dtype}")
        kind = "scalar" if isinstance(value, np.generic) else "array"
        return {
            "is": "jax array" if isinstance(value, jax.Array) else kind,
            "dtype": array.dtype.name,
            "shape": list(array.shape),
            "base64": base64.b64encode(array.tobytes()).decode(),
        }

    def _dtype(self, dtype: Any) -> str:
        if not jnp.issubdtype(dtype, jax.dtypes.extended):
            return jnp.dtype(dtype).name
        for name in KEYS:
            if key_dtype(name) == dtype:
                return f"key<{name}>"
        raise _unencodable("a spec", dtype, str(dtype))

    def _partial(self, value: functools.partial[Any], place: str) -> Any:
        inner = f"the partial in {place}"
        return {
            "is": "partial",
            "function": self.record(value.func, place),
            "args": [self.record(item, inner) for item in value.args],
            "kwargs": {key: self.record(item, inner) for key, item in value.keywords.items()},
        }

    def _function(self, value: Callable[..., Any], place: str) -> Any:
        for module, namespace in MODULES.items():
            name = getattr(value, "__name__", "")
            if name and vars(namespace).get(name) is value:
                self.named[f"{module}:{name}"] = value
                return {"is": "function", "name": f"{module}:{name}"}
        name = getattr(value, "__qualname__", None)
        if not inspect.isfunction(value) or name is None or "<" in name:
            raise _unencodable(place, value, _what(value))
        return {"is": "function", "name": self._name(value)}

    def _name(self, thing: Any) -> str:
        name = label(thing)
        self.named[name] = thing
        return name


def _is_data(value: Any) -> bool:
    if isinstance(value, type | Spec | initializers.Initializer):
        return False
    return dataclasses.is_dataclass(value) and label(type(value)) not in CONFIGURED - DATA


def _subclasses(value: Any, kind: type) -> bool:
    return isinstance(value, type) and issubclass(value, kind)


def _is_dtype(value: Any) -> bool:
    if isinstance(value, np.dtype):
        return True
    # jax.numpy.float32 and the like are classes of JAX with a dtype.
    own = getattr(value, "dtype", None) if _subclasses(value, object) else None
    return _subclasses(value, np.generic) or isinstance(own, np.dtype)


def _positional_names(kind: type, count: int) -> list[str]:
    """The names of the positional arguments of a class's constructor."""
    names: list[str] = []
    try:
        parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    except (TypeError, ValueError):
        parameters = []
    for parameter in parameters:
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(f"the argument {parameter.name!r}")
    return [*names[:count], *(f"argument {index}" for index in range(len(names), count))]


def _what(value: Any) -> str:
    name = getattr(value, "__qualname__", "")
    if "<lambda>" in name:
        return "a lambda"
    if "<locals>" in name:
        return f"{name}, a function made inside a function"
    return repr(value)


def _unencodable(place: str, value: Any, what: str) -> UnencodableError:
    function = callable(value) and not isinstance(value, Variable)
    return UnencodableError(
        explain(
            f"{place[:1].upper()}{place[1:]} cannot be saved.",
            expected="numbers, text, lists, tuples, dicts, specs, small arrays, layers, "
            "initializers, or functions with a name in a module",
            received=what,
            remedy="Pass a function defined by def in a module, or a name such as 'relu'."
            if function
            else "Pass plain options and make the object in __init__, or use save_weights, which "
            "stores no arguments.",
        )
    )
