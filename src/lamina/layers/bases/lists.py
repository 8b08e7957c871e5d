"""Layers whose inputs may be lists of numbers."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from lamina.layer import Layer

__all__ = ["TakesLists"]


class TakesLists(Layer):
    """The base of layers of preprocessing, whose inputs may be nested lists of numbers.

    Other layers take such a list for several inputs.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        named = {name: _as_array(value) for name, value in kwargs.items()}
        return super().__call__(*map(_as_array, args), **named)


def _as_array(value: Any) -> Any:
    """A nested list of numbers as an array; other values as they are."""
    if not isinstance(value, list | tuple):
        return value
    rows = cast("list[Any]", value)
    return np.asarray(rows) if _numeric(rows) else rows


def _numeric(value: Any) -> bool:
    if isinstance(value, list | tuple):
        rows = cast("list[Any]", value)
        return bool(rows) and all(map(_numeric, rows))
    return isinstance(value, int | float)
