"""Integers of 64 bits on their way into JAX, which keeps 32: none is wrapped around in silence.

``2**32 + 1`` would become 1, an id or a label that is valid and wrong.
"""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.errors import InputError, explain

__all__ = ["array_of", "check", "misfit", "too_wide"]


def misfit(value: Any, dtype: Any = None) -> str | None:
    """What is told of the first integer of a NumPy array that another dtype cannot hold.

    It is None where all fit. Arrays of 32 bits or fewer on their way into JAX are not looked at.

    Args:
        value: an array; what is no array of integers fits.
        dtype: that it is to get; the one that JAX keeps it in if None.

    >>> misfit(np.array([[3, 2**32 + 1]]))
    '4294967297 at [0, 1], of dtype int64, which does not fit into int32'
    >>> misfit(np.array([3]))
    """
    if not isinstance(value, np.ndarray | np.generic) or cast(Any, value).dtype.kind not in "iu":
        return None
    array = np.asarray(cast(Any, value))
    if dtype is None and array.dtype.itemsize < 8:
        return None
    own = array.dtype.newbyteorder("=")
    kept = np.dtype(jax.dtypes.canonicalize_dtype(own) if dtype is None else dtype)
    if kept.kind not in "iu" or kept == own or not array.size:
        return None
    least, most = np.iinfo(kept).min, np.iinfo(kept).max
    if least <= array.min() and array.max() <= most:
        return None
    place = np.argwhere((array < least) | (array > most))[0].tolist()
    where = f" at {place}" if place else ""
    return f"{array[tuple(place)]}{where}, of dtype {own}, which does not fit into {kept}"


def check(value: Any, what: str, *, where: str | None = None, dtype: Any = None) -> None:
    """See that a NumPy array keeps its integers on its way into JAX, or into another dtype.

    Raises:
        InputError: one does not fit; it names `what` and the integer.
    """
    found = misfit(value, dtype)
    if found is not None:
        raise InputError(too_wide(what, found, where))


def array_of(value: Any, dtype: Any = None) -> jax.Array:
    """The value as a JAX array, as ``jnp.asarray`` makes it, but for integers that do not fit.

    Raises:
        InputError: an integer does not fit into the dtype that JAX keeps it in.

    >>> array_of(np.array([1, 2])).dtype
    dtype('int32')
    """
    if isinstance(value, jax.Array):
        return value if dtype is None else value.astype(dtype)
    given = _of_numpy(value)
    into = None if dtype is None else jax.dtypes.canonicalize_dtype(dtype)
    check(given, "An array", dtype=into)
    try:
        return jnp.asarray(given, dtype)
    except OverflowError as error:  # of Python's integers, which JAX checks by itself
        raise InputError(too_wide("An array", str(error))) from None


def _of_numpy(value: Any) -> Any:
    """Integers of 64 bits of another library, which JAX would read as NumPy's, as such."""
    known = isinstance(value, np.ndarray | np.generic) or hasattr(value, "__jax_array__")
    given = cast(Any, value)
    wide = not known and str(getattr(given, "dtype", "")).endswith("int64")
    return np.asarray(given) if wide else given


def too_wide(what: str, found: str, where: str | None = None) -> str:
    """What is told of an integer that does not fit."""
    return explain(
        f"{what} has an integer that is out of range.",
        where=where,
        expected="integers of 32 bits: JAX keeps no more while jax_enable_x64 is off",
        received=found,
        remedy="Correct the ids or labels, or call jax.config.update('jax_enable_x64', True).",
    )
