"""Counts that users pass: integers of Python or NumPy, checked and converted to int."""

from __future__ import annotations

import operator
from typing import Any, cast

from lamina.errors import InputError, explain

__all__ = ["as_count", "check_fields", "count_or_default"]

_LEAST = {
    "k": 1,
    "top_k": 1,
    "num_classes": 1,
    "num_thresholds": 1,
    "num_labels": 1,
    "num_regressors": 0,
    "class_id": 0,
    "axis": None,
    "ignore_class": None,
}
"""The integer fields of losses, metrics and constraints, each with its smallest value."""


def as_count(
    name: str, value: Any, low: int | None = 1, *, or_else: str = "", example: Any = 32
) -> int:
    """Return a count as an int.

    Args:
        name: of the argument, for the error.
        value: an integer of Python, NumPy or JAX; a bool is none.
        low: the smallest count; None for any integer.
        or_else: another valid value, for the error.
        example: a valid count, for the error.

    Raises:
        InputError: it is not an integer, or is too small.

    >>> import numpy as np
    >>> as_count("epochs", np.int64(3))
    3
    """
    try:
        count = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        count = None
    if count is None or (low is not None and count < low):
        kind = {None: "an integer", 1: "a positive integer"}.get(low, f"an integer >= {low}")
        raise InputError(
            explain(
                f"{name} is neither {or_else} nor {kind}." if or_else else f"{name} is not {kind}.",
                received=repr(value),
                remedy=f"Pass {name.partition(' of ')[0]}={example}, for example.",
            )
        )
    return count


def check_fields(one: object) -> None:
    """Convert the integer fields of a loss, metric or constraint of Lamina to int.

    Raises:
        InputError: one is not an integer, or is too small; the error names class and field.
    """
    fields = vars(one)
    if not type(one).__module__.startswith("lamina."):
        return
    for name in _LEAST.keys() & fields.keys():
        value, low = fields[name], _LEAST[name]
        if value.__class__ is int and (low is None or value >= low):
            continue
        label, example = f"{name} of {type(one).__name__}", max(low or -1, 1)
        if isinstance(value, list | tuple):
            items = cast("list[Any]", value)
            value = tuple(as_count(label, item, low, example=example) for item in items)
        elif value is not None:
            value = as_count(label, value, low, example=example)
        object.__setattr__(one, name, value)


def count_or_default(name: str, value: Any, default: Any, low: int = 1, example: Any = 32) -> Any:
    """Return a count as an int, or the default for None.

    Raises:
        InputError: as :func:`as_count`.

    >>> count_or_default("batch_size", None, 32)
    32
    """
    return default if value is None else as_count(name, value, low, example=example)
