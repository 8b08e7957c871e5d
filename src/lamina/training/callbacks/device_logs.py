"""Logs that stay on the device until they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import numpy as np

__all__ = ["DeviceLogs"]


class DeviceLogs(MutableMapping[str, Any]):
    """Logs by name, whose values are copied from the device when they are read.

    Args:
        arrays: scalars, or arrays for logs that are lists of numbers.

    >>> logs = DeviceLogs({"loss": np.float32(0.5), "recall": np.array([1.0, 2.0])})
    >>> logs["loss"], logs["recall"]
    (0.5, [1.0, 2.0])
    """

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> Any:
        return np.asarray(self._arrays[name], np.float64).tolist()

    def __setitem__(self, name: str, value: Any) -> None:
        self._arrays[name] = value

    def __delitem__(self, name: str) -> None:
        del self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return repr(dict(self))
