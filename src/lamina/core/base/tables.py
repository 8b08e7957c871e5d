"""pandas Series and DataFrames as NumPy arrays. pandas itself is not imported."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

__all__ = ["is_table", "table_to_numpy"]


def is_table(value: Any) -> bool:
    """Return whether a value is a pandas Series or DataFrame.

    >>> is_table(np.ones(2))
    False
    """
    kind = cast("type[Any]", type(value))
    return hasattr(kind, "iloc") and hasattr(kind, "to_numpy")


def table_to_numpy(table: Any) -> np.ndarray:
    """Return the values of a Series ``[rows]`` or of a DataFrame ``[rows, columns]``.

    Columns of several numeric dtypes, bool included, get the smallest dtype that holds all of them.
    """
    values: np.ndarray = table.to_numpy()
    if values.dtype.kind != "O" or values.ndim != 2:
        return values
    dtypes: list[Any] = list(table.dtypes)
    if not dtypes or not all(isinstance(one, np.dtype) and one.kind in "biuf" for one in dtypes):
        return values
    return table.to_numpy(dtype=np.result_type(*dtypes))
