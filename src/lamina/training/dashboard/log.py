"""The log of a run: a text file of lines, one JSON object a line, that only grows.

Each object has ``"event"`` and ``"time"``, seconds since 1970, and, by its event:

- ``begin``: a call of `fit`. ``version`` (1), ``model`` (the class), ``epochs`` (the number of the
  last one), ``steps`` (in an epoch, or null), ``step`` and ``epoch`` (the numbers made before). If
  ``step`` is not 0, the run goes on from there, and what the log holds after that step is void.
- ``step``: the logs of an epoch so far. ``step`` (over all epochs), ``epoch`` (of which a fraction
  may be done, 0.5 is half of the first one), ``logs`` (numbers by name) and ``rate`` (steps per
  second, or null).
- ``epoch``: the end of an epoch. ``step``, ``epoch`` (from 1) and ``logs``.
- ``ranges``: ``step``, ``epoch``, ``gradients`` (by path of the weight) and ``outputs`` (by path of
  the layer), each a list of minimum, maximum and root mean square.
- ``sample``: ``step``, ``epoch``, ``name``, and ``text`` or ``png`` (Base64).
- ``note``: ``text``, for example why there are no ranges.
- ``end``: training ended by itself. ``step`` and ``epoch``.

Numbers that are not finite are the strings ``"nan"``, ``"inf"`` and ``"-inf"``.
"""

from __future__ import annotations

import errno
import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

__all__ = ["LOG_NAME", "VERSION", "LogWriter", "as_number"]

LOG_NAME = "training.jsonl"
"""The name of the log in the folder of a run."""

VERSION = 1
"""The version of the form of logs."""


class LogWriter:
    """Appends events to the log in a folder. Each is one write, so that other readers see lines.

    Args:
        path: of the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._is_begun = False

    def write(self, event: str, **values: Any) -> None:
        """Append an event.

        Raises:
            OSError: the file cannot be written.
        """
        entry = {"event": event, "time": round(time.time(), 3), **values}
        line = json.dumps(_plain(entry), ensure_ascii=False, allow_nan=False) + "\n"
        data = line.encode("utf-8", "backslashreplace")
        if self.path.exists() and not self.path.is_file():  # a pipe would wait for a reader
            raise OSError(errno.EINVAL, "it is not a regular file", os.fspath(self.path))
        with open(self.path, "ab") as stream:
            if not self._is_begun and stream.tell() and not _ends_with_newline(self.path):
                data = b"\n" + data  # a process was killed while it wrote the last line
            stream.write(data)
        self._is_begun = True


def _ends_with_newline(path: Path) -> bool:
    with open(path, "rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read() == b"\n"


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it; what it cannot hold becomes text."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in cast("Mapping[Any, Any]", value).items()}
    if hasattr(value, "dtype"):
        value = np.asarray(value).tolist()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in cast("list[Any]", value)]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def as_number(value: Any) -> float | None:
    """Return a number of a log as a float, also one that is not finite; None for anything else.

    >>> as_number(2), as_number("-inf"), as_number("2"), as_number(True)
    (2.0, -inf, None, None)
    """
    if isinstance(value, str) and value.lower() in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of more than 300 digits
        return math.inf if value > 0 else -math.inf
