"""Counts that users pass: integers of Python or NumPy, checked and converted to int."""

from __future__ import annotations

import operator
from typing import Any

from lamina.errors import InputError, explain

__all__ = ["as_count", "count_or_default"]


def as_count(name: str, value: Any, low: int = 1, *, or_else: str = "", example: Any = 32) -> int:
    """Return a count as an int.

    Args:
        name: of the argument, for the error.
        value: an integer of Python, NumPy or JAX; a bool is none.
        low: the smallest count.
        or_else: another valid value, for the error.
        example: a valid count, for the error.

    Raises:
        InputError: it is not an integer, or is too small.

    >>> import numpy as np
    >>> as_count("epochs", np.int64(3))
    3
    """
    try:
        count = low - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        count = low - 1
    if count < low:
        kind = "a positive integer" if low == 1 else f"an integer of at least {low}"
        raise InputError(
            explain(
                f"{name} is neither {or_else} nor {kind}." if or_else else f"{name} is not {kind}.",
                received=repr(value),
                remedy=f"Give {name}={example}, for example.",
            )
        )
    return count


def count_or_default(name: str, value: Any, default: Any, low: int = 1, example: Any = 32) -> Any:
    """Return a count as an int, or the default for None.

    Raises:
        InputError: as :func:`as_count`.

    >>> count_or_default("batch_size", None, 32)
    32
    """
    return default if value is None else as_count(name, value, low, example=example)
