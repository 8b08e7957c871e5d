"""`tf.dtypes`, also available in `tf`."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from lamina.compat.tf.creation import cast
from lamina.compat.tf.missing import missing

__all__ = [
    "bfloat16",
    "bool_",
    "cast",
    "complex64",
    "complex128",
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]

bfloat16 = jnp.dtype("bfloat16")
bool_ = jnp.dtype("bool")
complex64 = jnp.dtype("complex64")
complex128 = jnp.dtype("complex128")
float16 = jnp.dtype("float16")
float32 = jnp.dtype("float32")
float64 = jnp.dtype("float64")
int8 = jnp.dtype("int8")
int16 = jnp.dtype("int16")
int32 = jnp.dtype("int32")
int64 = jnp.dtype("int64")
uint8 = jnp.dtype("uint8")
uint16 = jnp.dtype("uint16")
uint32 = jnp.dtype("uint32")
uint64 = jnp.dtype("uint64")


def __getattr__(name: str) -> Any:
    if name == "bool":
        return bool_
    raise missing("tf.dtypes", name, __all__)
