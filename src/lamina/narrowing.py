"""Checked conversion of 64-bit integers to the 32 bits that JAX uses by default.

JAX wraps integers around silently: ``2**32 + 1`` would become 1, a valid but wrong id or label.
"""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.errors import InputError, explain

__all__ = ["array_of", "check", "out_of_range_integer", "too_wide"]


def out_of_range_integer(value: Any, dtype: Any = None) -> str | None:
    """Describe the first integer of a NumPy array that is out of range of another dtype.

    Args:
        value: an array; anything but a NumPy array of integers is in range.
        dtype: the other dtype; None (default) for the dtype that JAX gives the array.

    Returns:
        The integer, its position and the dtypes; None if all integers are in range.

    >>> out_of_range_integer(np.array([[3, 2**32 + 1]]))
    '4294967297 at [0, 1], of dtype int64, which is out of range of int32'
    >>> out_of_range_integer(np.array([3]))
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
    return f"{array[tuple(place)]}{where}, of dtype {own}, which is out of range of {kept}"


def check(value: Any, what: str, *, where: str | None = None, dtype: Any = None) -> None:
    """Check that the integers of a NumPy array are in range of another dtype.

    Args:
        value: an array; anything but a NumPy array of integers is in range.
        what: the name of the array, for the error.
        where: the place, for the error; None (default) to leave it out.
        dtype: the other dtype; None (default) for the dtype that JAX gives the array.

    Raises:
        InputError: an integer is out of range.

    >>> check(np.array([3]), "labels")
    """
    found = out_of_range_integer(value, dtype)
    if found is not None:
        raise InputError(too_wide(what, found, where))


def array_of(value: Any, dtype: Any = None) -> jax.Array:
    """Convert a value to a JAX array, as ``jnp.asarray`` does, without integer overflow.

    Args:
        value: an array, a scalar, or nested lists of scalars.
        dtype: the dtype of the result; None (default) for that of ``jnp.asarray``.

    Returns:
        A JAX array.

    Raises:
        InputError: an integer is out of range of the dtype that JAX gives it.

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
    except OverflowError as error:  # Python integers, which JAX checks itself
        raise InputError(too_wide("An array", str(error))) from None


def _of_numpy(value: Any) -> Any:
    """Convert 64-bit integers of another library to NumPy, so that they are checked."""
    known = isinstance(value, np.ndarray | np.generic) or hasattr(value, "__jax_array__")
    given = cast(Any, value)
    wide = not known and str(getattr(given, "dtype", "")).endswith("int64")
    return np.asarray(given) if wide else given


def too_wide(what: str, found: str, where: str | None = None) -> str:
    """Compose the message about an integer that is out of range.

    Args:
        what: the name of the array.
        found: the integer, as :func:`out_of_range_integer` describes it.
        where: the place; None (default) to leave it out.

    Returns:
        The message.
    """
    return explain(
        f"{what} has an integer that is out of range.",
        where=where,
        expected="32-bit integers: JAX has no 64-bit ones unless jax_enable_x64 is on",
        received=found,
        remedy="Correct the ids or labels, or call jax.config.update('jax_enable_x64', True).",
    )
