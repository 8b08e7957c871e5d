"""`keras.backend`: settings and dtypes; functions of arrays are in `keras.ops`."""

from __future__ import annotations

import importlib
import itertools
from collections import defaultdict
from typing import Any

import jax
import jax.numpy as jnp

from lamina.compat.keras.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from lamina.compat.keras.missing import missing
from lamina.models.symbol import Symbol

__all__ = [
    "backend",
    "clear_session",
    "epsilon",
    "floatx",
    "get_uid",
    "image_data_format",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "result_type",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "standardize_dtype",
]

_counts: defaultdict[str, itertools.count[int]] = defaultdict(lambda: itertools.count(1))


def clear_session(free_memory: bool = True) -> None:
    """Restart the numbers of :func:`get_uid`; Lamina keeps no models.

    Args:
        free_memory: has no effect.
    """
    _counts.clear()


def get_uid(prefix: str = "") -> int:
    """A number that counts the calls with a prefix.

    Args:
        prefix: the prefix. Default: empty.
    """
    return next(_counts[prefix])


def standardize_dtype(dtype: Any) -> str:
    """The name of a dtype; float32 for None.

    Args:
        dtype: a dtype, its name, or a type of Python.

    >>> standardize_dtype(int), standardize_dtype(None)
    ('int32', 'float32')
    """
    if dtype is None:
        return floatx()
    known: dict[Any, Any] = {int: "int32", "int": "int32", float: floatx(), str: "string"}
    dtype = known.get(dtype, dtype)
    return "string" if dtype == "string" else jnp.dtype(dtype).name


def is_float_dtype(dtype: Any) -> bool:
    """Whether a dtype is one of floats.

    Args:
        dtype: a dtype or its name.
    """
    return _is(dtype, jnp.floating)


def is_int_dtype(dtype: Any) -> bool:
    """Whether a dtype is one of integers.

    Args:
        dtype: a dtype or its name.
    """
    return _is(dtype, jnp.integer)


def _is(dtype: Any, kind: Any) -> bool:
    name = standardize_dtype(dtype)
    return name != "string" and bool(jnp.issubdtype(name, kind))


def is_keras_tensor(x: Any) -> bool:
    """Whether a value is a symbol, as `keras.Input` returns it.

    Args:
        x: any value.
    """
    return isinstance(x, Symbol)


def result_type(*dtypes: Any) -> str:
    """The name of the dtype of arithmetic between dtypes.

    Args:
        *dtypes: dtypes, their names, or the types int and float.

    >>> result_type("int32", "float16")
    'float16'
    """
    weak = {int: 1, float: 1.0, None: jnp.float32}
    given = [weak[one] if one in weak else jnp.dtype(one) for one in dtypes]
    return jnp.dtype(jax.dtypes.result_type(*given) if given else floatx()).name


_KERAS_2 = {
    "Variable": "Use keras.Variable.",
    "get_value": "Use keras.ops.convert_to_numpy.",
    "int_shape": "Use x.shape.",
    "random_normal": "Use keras.random.normal.",
    "random_uniform": "Use keras.random.uniform.",
    "set_value": "Use variable.assign(value).",
    "variable": "Use keras.Variable.",
}
"""What serves instead of functions that Keras had up to version 2, besides those of `keras.ops`."""


def __getattr__(name: str) -> Any:
    instead = _KERAS_2.get(name)
    if instead is None and name in dir(importlib.import_module("lamina.compat.keras.ops")):
        instead = f"Use keras.ops.{name}."
    raise missing("keras.backend", name, __all__, instead)
