"""The dtypes that files may name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import ml_dtypes
import numpy as np

__all__ = ["KEYS", "NATIVE", "SAFETENSORS", "dtype_named", "key_dtype"]

SAFETENSORS: dict[str, Any] = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "I8": np.int8,
    "U16": np.uint16,
    "I16": np.int16,
    "U32": np.uint32,
    "I32": np.int32,
    "U64": np.uint64,
    "I64": np.int64,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "F32": np.float32,
    "F64": np.float64,
    "C64": np.complex64,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
}
"""The dtypes by their codes in safetensors."""

NATIVE = frozenset(np.dtype(kind).name for kind in SAFETENSORS.values()) - {"complex64"}
"""Dtypes that all versions of safetensors support; others are stored as bytes, on one more axis."""

KEYS = ("threefry2x32", "rbg", "unsafe_rbg")
"""The implementations of random keys in JAX."""

_OTHERS = (
    "float4_e2m1fn",
    "float6_e2m3fn",
    "float6_e3m2fn",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "int1",
    "int2",
    "int4",
    "uint1",
    "uint2",
    "uint4",
)

_KNOWN: dict[str, np.dtype[Any]] = {
    np.dtype(kind).name: np.dtype(kind) for kind in (*SAFETENSORS.values(), np.complex128)
} | {name: np.dtype(getattr(ml_dtypes, name)) for name in _OTHERS if hasattr(ml_dtypes, name)}


def dtype_named(name: object, *, keys: bool = False) -> Any:
    """Look up a dtype by name.

    Args:
        name: the name, such as ``"float32"``.
        keys: whether dtypes of random keys, such as ``"key<rbg>"``, are allowed; False by default.

    Returns:
        The dtype.

    Raises:
        ValueError: the name is unknown.

    >>> dtype_named("bfloat16")
    dtype(bfloat16)
    """
    if isinstance(name, str):
        if name in _KNOWN:
            return _KNOWN[name]
        if keys and name.startswith("key<") and name[4:-1] in KEYS and name.endswith(">"):
            return key_dtype(name[4:-1])
    raise ValueError(f"{str(name)[:60]!r} is not a dtype that a file may name")


@functools.cache
def key_dtype(name: str) -> Any:
    """The dtype of random keys of an implementation, such as ``"rbg"``."""
    make: Callable[[], Any] = functools.partial(jax.random.key, 0, impl=name)
    return jax.eval_shape(make).dtype
