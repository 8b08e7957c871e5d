"""Checks of the options of callbacks."""

from __future__ import annotations

import math
import os
from numbers import Real
from typing import Any, Literal, cast

from lamina.counts import as_count
from lamina.errors import InputError, explain

__all__ = ["as_path", "check_numbers", "check_unsupported", "save_frequency"]


def as_path(owner: object, name: str, path: str | os.PathLike[str]) -> str:
    """Return a path as a string.

    Raises:
        InputError: it is no path, or empty.
    """
    given = cast(Any, path)
    if not hasattr(given, "__fspath__") and not (isinstance(given, str) and given):
        raise InputError(
            explain(
                f"{name} of {type(owner).__name__} is no path.",
                expected="a string that is not empty, or a pathlib.Path",
                received=repr(given),
                remedy=f"Pass {name}='runs/first', for example.",
            )
        )
    return os.fspath(path)


def check_numbers(owner: object, **options: Any) -> None:
    """Check that options are numbers, or None.

    Raises:
        InputError: one is not, or it is NaN.
    """
    for name, value in options.items():
        if value is None:
            continue
        if not isinstance(value, Real) or math.isnan(float(value)):
            raise InputError(
                explain(
                    f"{name} of {type(owner).__name__} is not a number.",
                    expected="a number",
                    received=repr(value),
                    remedy=f"Pass a number, or omit {name}.",
                )
            )


def check_unsupported(owner: object, **options: tuple[Any, str]) -> None:
    """Check that options of Keras that Lamina does not support are not used.

    Args:
        owner: the callback.
        options: the value and the remedy for each option.

    Raises:
        InputError: the value of an option is true.
    """
    for name, (value, remedy) in options.items():
        if value:
            raise InputError(
                explain(
                    f"{type(owner).__name__} does not support {name}.",
                    expected=f"no {name}",
                    received=f"{name}={value!r}",
                    remedy=remedy,
                )
            )


def save_frequency(frequency: Literal["epoch"] | int, name: str = "save_freq") -> int | None:
    """Return a number of batches, or None for `"epoch"`.

    Raises:
        InputError: it is neither `"epoch"` nor a positive integer.
    """
    if isinstance(frequency, str) and frequency == "epoch":
        return None
    return as_count(name, frequency, or_else="'epoch'", example="'epoch'")
