"""Logs that stay on the device until they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

import numpy as np

__all__ = ["DeviceLogs"]

if TYPE_CHECKING:
    _Dict = dict[str, Any]
else:

    class _Dict(MutableMapping, dict):
        """A dict whose methods use `__getitem__`, `__setitem__`, `__delitem__` and `__iter__`."""


class DeviceLogs(_Dict):
    """A dict of logs by name, whose values are copied from the device when they are read.

    Args:
        arrays: scalars, or arrays for logs that are lists of numbers.

    >>> logs = DeviceLogs({"loss": np.float32(0.5), "recall": np.array([1.0, 2.0])})
    >>> logs["loss"], logs["recall"]
    (0.5, [1.0, 2.0])
    """

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        dict[str, Any].__init__(self, arrays)

    def __getitem__(self, name: str) -> Any:
        value = dict[str, Any].__getitem__(self, name)
        if hasattr(value, "dtype"):
            value = np.asarray(value, np.float64).tolist()
            self[name] = value
        return value

    def __setitem__(self, name: str, value: Any) -> None:
        dict[str, Any].__setitem__(self, name, value)

    def __delitem__(self, name: str) -> None:
        dict[str, Any].__delitem__(self, name)

    def __iter__(self) -> Iterator[str]:
        return dict[str, Any].__iter__(self)

    def __len__(self) -> int:
        return dict[str, Any].__len__(self)

    def __repr__(self) -> str:
        return repr(self.copy())

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def copy(self) -> dict[str, Any]:
        """Return a plain dict of the values."""
        return dict(self.items())
