"""Writing values down as JSON: specs, options, and layers by class and arguments.

What JSON has is itself; every JSON object says with ``is`` what it stands for.
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
from lamina.core.specs.spec import Arguments, Spec
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.errors import LaminaError, explain
from lamina.saving.dtypes import KEYS, key_dtype
from lamina.saving.lookup import MODULES, label
from lamina.saving.plain_data import LARGEST

__all__ = ["Recorder", "UnrecordableError"]


class UnrecordableError(LaminaError):
    """A value that no text brings back."""


class Recorder:
    """Writes values down; a layer that comes twice is one layer.

    ``named`` keeps what the names stand for: the classes and functions themselves.
    """

    def __init__(self) -> None:
        self.named: dict[str, Any] = {}
        self._numbers: dict[int, int] = {}
        self._open: list[object] = []

    def record(self, value: Any, place: str) -> Any:
        """A value as JSON; `place` is what errors call it.

        Raises:
            UnrecordableError: it, or something in it, cannot be written down.
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
        """Specs of a call, as JSON."""
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
            raise _unrecordable(place, value, "something that holds itself")
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
        node = layer._lamina
        names = _positional_names(kind, len(node.arguments))
        outer = "" if place == kind.__name__ else f", in {place}"
        described = {
            "is": "layer",
            "class": self._name(kind),
            "args": [
                self.record(value, f"{name} of {kind.__name__}{outer}")
                for name, value in zip(names, node.arguments, strict=True)
            ],
            "kwargs": {
                name: self.record(value, f"the argument {name!r} of {kind.__name__}{outer}")
                for name, value in node.keywords.items()
            },
        }
        number = self._numbers[id(layer)] = len(self._numbers)
        return described | {"number": number}

    def _dict(self, value: Mapping[Any, Any], place: str) -> Any:
        if not isinstance(value, dict):
            raise _unrecordable(place, value, f"a {type(value).__name__}")
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
        raise _unrecordable(place, value, f"a {type(value).__name__}")

    def _fields(self, value: Any, place: str) -> Any:
        fields = {
            field.name: self.record(getattr(value, field.name), f"{field.name} of {place}")
            for field in dataclasses.fields(value)
            if field.init
        }
        return {"is": "dataclass", "class": self._name(type(value)), "fields": fields}

    def _leaf(self, value: Any, place: str) -> Any:
        if isinstance(value, Spec):
            return {"is": "spec", "shape": list(value.shape), "dtype": self._dtype(value.dtype)}
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
        raise _unrecordable(place, value, what)

    def _initializer(self, value: initializers.Initializer, place: str) -> Any:
        try:
            config = initializers.to_config(value)
        except LaminaError:
            raise _unrecordable(place, value, "an initializer of your own") from None
        return {"is": "initializer", "config": self.record(config, place)}

    def _array(self, value: Any, place: str) -> Any:
        array = np.asarray(value, order="C")
        if array.nbytes > LARGEST or array.dtype.hasobject:
            raise _unrecordable(place, value, f"an array of shape {array.shape}, {array.dtype}")
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
        raise _unrecordable("a spec", dtype, str(dtype))

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
            raise _unrecordable(place, value, _what(value))
        return {"is": "function", "name": self._name(value)}

    def _name(self, thing: Any) -> str:
        name = label(thing)
        self.named[name] = thing
        return name


def _is_data(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(
        value, type | Spec | initializers.Initializer
    )


def _subclasses(value: Any, kind: type) -> bool:
    return isinstance(value, type) and issubclass(value, kind)


def _is_dtype(value: Any) -> bool:
    if isinstance(value, np.dtype):
        return True
    # jax.numpy.float32 and its like are classes of JAX's own.
    own = getattr(value, "dtype", None) if _subclasses(value, object) else None
    return _subclasses(value, np.generic) or isinstance(own, np.dtype)


def _positional_names(kind: type, count: int) -> list[str]:
    """What a class's constructor calls its arguments given by position."""
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


def _unrecordable(place: str, value: Any, what: str) -> UnrecordableError:
    function = callable(value) and not isinstance(value, Variable)
    return UnrecordableError(
        explain(
            f"Not to be saved: {place} cannot be written down.",
            expected="numbers, text, lists, tuples, dicts, specs, small arrays, layers, "
            "initializers, or functions with a name in a module",
            received=what,
            remedy="Give a function defined by def in a module, or a name such as 'relu'."
            if function
            else "Give plain options and make the object from them in __init__; or use "
            "save_weights, which needs no arguments.",
        )
    )
