"""Decoding plain data from JSON: values that name no class or function."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from lamina.core.specs.spec import Spec
from lamina.saving.dtypes import dtype_named

__all__ = [
    "LARGEST",
    "array_of",
    "complex_of",
    "dict_of",
    "float_of",
    "is_namedtuple",
    "is_size",
    "spec_of",
    "text_of",
]

LARGEST = 65_536
"""The largest number of bytes of an array that is an argument; a larger one is a weight."""

_MOST_AXES = 32
_MOST_SIZE = (1 << 31) - 1
_MOST_OTHER_KEYS = 256
_LARGEST_KEY = 1 << 60


def float_of(fields: dict[str, Any]) -> float:
    """Decode infinity, minus infinity or NaN."""
    return {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}[fields["value"]]


def complex_of(fields: dict[str, Any]) -> complex:
    """Decode a complex number."""
    real, imaginary = fields["parts"]
    return complex(float(text_of(real)), float(text_of(imaginary)))


def text_of(name: Any) -> str:
    """Check that a name is text.

    Args:
        name: JSON.

    Returns:
        The name.

    Raises:
        ValueError: it is not text.
    """
    if not isinstance(name, str):
        raise ValueError("a name is not text")
    return name


def dict_of(
    fields: dict[str, Any],
    make: Callable[[Any], Any],
    make_key: Callable[[Any], Any] | None = None,
) -> dict[Any, Any]:
    """Decode a dict, with few keys of types whose hashes a file could make collide.

    Args:
        fields: JSON.
        make: decodes a value.
        make_key: decodes a key; None (default) for `make`.

    Returns:
        The dict.

    Raises:
        ValueError: there are too many such keys, or duplicate keys.
    """
    items = fields["items"]
    others = sum(
        not isinstance(key, str) and not (isinstance(key, int) and abs(key) < _LARGEST_KEY)
        for key, _ in items
    )
    if others > _MOST_OTHER_KEYS:
        raise ValueError(f"a dict has {others} keys that are neither text nor integers")
    made = {(make_key or make)(key): make(item) for key, item in items}
    if len(made) != len(items):
        raise ValueError("a dict has a duplicate key")
    return made


def spec_of(fields: dict[str, Any]) -> Spec:
    """Decode the spec of an array; its sizes may be None or names."""
    kind = fields["dtype"]
    dtype = kind if kind == "string" else dtype_named(kind, keys=True)
    return Spec(_shape(fields["shape"], free=True), dtype)


def array_of(fields: dict[str, Any]) -> np.ndarray:
    """Decode a small array.

    Args:
        fields: JSON.

    Returns:
        The array.

    Raises:
        ValueError: the number of bytes does not match shape and dtype, or is too large.
    """
    shape, dtype = _shape(fields["shape"]), dtype_named(fields["dtype"])
    data = base64.b64decode(text_of(fields["base64"]), validate=True)
    if len(data) > LARGEST or len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{len(data):,} bytes do not match an array of shape {shape}, {dtype}")
    return np.frombuffer(data, dtype).reshape(shape).copy()


def is_size(value: Any) -> bool:
    """Check whether a value is a non-negative integer of 31 bits."""
    return type(value) is int and 0 <= value <= _MOST_SIZE


def is_namedtuple(kind: type) -> bool:
    """Check whether a class was made by `NamedTuple`; classes derived from one were not."""
    return tuple in kind.__mro__ and "_fields" in vars(kind)


def _shape(shape: Any, *, free: bool = False) -> tuple[Any, ...]:
    sizes = cast("list[Any]", shape) if isinstance(shape, list) else [shape]
    if not isinstance(shape, list) or len(sizes) > _MOST_AXES:
        raise ValueError(f"a shape is not a list of at most {_MOST_AXES} sizes")
    for size in sizes:
        if not is_size(size) and not (free and (size is None or isinstance(size, str))):
            raise ValueError(f"{str(size)[:40]} is not the size of an axis")
    return tuple(sizes)
