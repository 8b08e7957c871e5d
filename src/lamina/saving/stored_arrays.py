"""Arrays of a checkpoint that are read together, onto the devices of their variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.saving.header import Entry

__all__ = ["StoredArrays"]


@dataclass(frozen=True)
class StoredArrays:
    """Arrays that are read together, once the shardings of all variables are known.

    Attributes:
        path: where they are stored, for errors.
        metadata: as that of a file of weights.
        shapes: the shape and dtype of each array, by name.
        read_together: given shardings by name, returns the arrays by name.
    """

    path: str
    metadata: dict[str, str]
    shapes: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]
    read_together: Callable[[Mapping[str, Any]], Mapping[str, Any]]

    def entries(self, dtypes: Mapping[str, str]) -> dict[str, Entry]:
        """Return the shapes and dtypes as the entries of a file."""
        return {name: Entry(dtype, shape, 0, 0) for name, (shape, dtype) in self.shapes.items()}

    def read_part(self, entry: Entry, start: int, stop: int) -> np.ndarray:
        """Return zeros, with which a variable is built before its values are read."""
        return np.zeros(stop - start, entry.dtype)
