"""Arrays from numbers: `keras.ops.arange`, `zeros`, `linspace` and others."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.compat.keras.ops.sizes import as_sizes, at_once
from lamina.compat.keras.ops.symbols import has_symbols, on_symbols
from lamina.narrowing import array_of

__all__ = ["CREATION"]

_FLOAT = jnp.float32
_jnp: Any = jnp
_array_of = at_once(array_of)


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    """The numbers from `start` to `stop` (exclusive); ``arange(n)`` starts at 0."""
    if dtype is None:
        given = [one for one in (start, stop, step) if one is not None]
        whole = [isinstance(one, int) or jnp.issubdtype(jnp.result_type(one), jnp.integer)
                 for one in given]  # fmt: skip
        dtype = jnp.result_type(*given) if all(whole) else jnp.result_type(*given, _FLOAT)
    return jnp.arange(start, stop, step, dtype=dtype)


def empty(shape: Any, dtype: Any = None) -> Any:
    """An array of zeros, which Keras leaves undefined."""
    return jnp.zeros(as_sizes(shape), dtype or _FLOAT)


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:  # noqa: N803 - Keras's names
    """Ones on a diagonal, zeros elsewhere."""
    return jnp.eye(N, M, k, dtype or _FLOAT)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """An array filled with one value."""
    return jnp.full(as_sizes(shape), fill_value, dtype or _FLOAT)


def geomspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Numbers in a geometric progression."""
    return jnp.geomspace(start, stop, num, endpoint, dtype, axis)


def identity(n: int, dtype: Any = None) -> Any:
    """The identity matrix."""
    return jnp.identity(n, dtype or _FLOAT)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Evenly spaced numbers in an interval."""
    return _jnp.linspace(
        start, stop, num, endpoint=endpoint, retstep=retstep, dtype=dtype, axis=axis
    )


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Powers of the base with evenly spaced exponents."""
    return jnp.logspace(start, stop, num, endpoint, base, dtype, axis)


def ones(shape: Any, dtype: Any = None) -> Any:
    """An array of ones."""
    return jnp.ones(as_sizes(shape), dtype or _FLOAT)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:  # noqa: N803 - Keras's names
    """Ones at and below a diagonal."""
    return jnp.tri(N, M, k, dtype or _FLOAT)


def zeros(shape: Any, dtype: Any = None) -> Any:
    """An array of zeros."""
    return jnp.zeros(as_sizes(shape), dtype or _FLOAT)


def bartlett(x: Any) -> Any:
    """The Bartlett window of a length."""
    return jnp.bartlett(int(x)).astype(_FLOAT)


def blackman(x: Any) -> Any:
    """The Blackman window of a length."""
    return jnp.blackman(int(x)).astype(_FLOAT)


def hamming(x: Any) -> Any:
    """The Hamming window of a length."""
    return jnp.hamming(int(x)).astype(_FLOAT)


def hanning(x: Any) -> Any:
    """The Hann window of a length."""
    return jnp.hanning(int(x)).astype(_FLOAT)


def kaiser(x: Any, beta: Any) -> Any:
    """The Kaiser window of a length."""
    return jnp.kaiser(int(x), beta).astype(_FLOAT)


def convert_to_tensor(x: Any, dtype: Any = None, sparse: Any = None, ragged: Any = None) -> Any:
    """Convert a value to an array. Integers that do not fit into 32 bits are an error.

    Text becomes a NumPy array, which the layers of text take.
    """
    if sparse or ragged:
        raise ValueError("convert_to_tensor makes no sparse or ragged arrays")
    if dtype in (None, "string") and _is_text(x):
        return np.asarray(x)
    return _array_of(x.value if hasattr(x, "value") else x, dtype)


def _is_text(value: Any) -> bool:
    """Whether a value is text, or a list of it."""
    while isinstance(value, list | tuple) and value:
        value = cast("list[Any]", value)[0]
    return isinstance(value, str | bytes) or (
        isinstance(value, np.ndarray) and value.dtype.kind in "USO"
    )


def convert_to_numpy(x: Any) -> Any:
    """Convert an array to NumPy."""
    return np.array(x)


def is_tensor(x: Any) -> bool:
    """Whether the value is an array of JAX or a symbol."""
    return isinstance(x, jax.Array) or has_symbols(x)


def shape(x: Any) -> Any:
    """The shape as a tuple, with None where the size of a symbol is open."""
    return tuple(x.shape) if hasattr(x, "shape") else jnp.shape(x)


def dtype(x: Any) -> str:
    """The name of the dtype."""
    return jnp.dtype(x.dtype).name


CREATION: dict[str, Any] = {
    "arange": arange,
    "bartlett": bartlett,
    "blackman": blackman,
    "convert_to_numpy": convert_to_numpy,
    "dtype": dtype,
    "empty": empty,
    "eye": eye,
    "full": on_symbols(full),
    "geomspace": on_symbols(geomspace),
    "hamming": hamming,
    "hanning": hanning,
    "identity": identity,
    "is_tensor": is_tensor,
    "kaiser": kaiser,
    "linspace": on_symbols(linspace),
    "logspace": on_symbols(logspace),
    "ones": ones,
    "shape": shape,
    "tri": tri,
    "zeros": zeros,
}
"""The functions by their names in `keras.ops`, besides `convert_to_tensor`."""
