"""A callback that writes logs to a CSV file."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from lamina.core.base.processes import is_main_process
from lamina.errors import InputError, explain
from lamina.training.callbacks.base import Callback
from lamina.training.callbacks.options import as_path
from lamina.training.checkpoints.schema import Schema, is_count, is_list, is_text

__all__ = ["CSVLogger"]


def _is_list_of_text(value: Any) -> bool:
    return is_list(value) and all(map(is_text, value))


class CSVLogger(Callback):
    """Writes the logs of each epoch as a row of a CSV file; missing values are ``NA``.

    Args:
        filename: the path of the file.
        separator: between columns.
        append: whether to append rows to an existing file, with its columns; False (default)
            replaces the file.

    Raises:
        InputError: the filename is no path, or the separator is not one character.
        OSError: when training begins, the file cannot be written.

    >>> logger = CSVLogger("log.csv")
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        if not isinstance(cast(Any, separator), str) or len(separator) != 1:
            raise InputError(
                explain(
                    "The separator of CSVLogger is not one character.",
                    expected="a string of length 1",
                    received=repr(separator),
                    remedy="Pass ',', ';' or '\\t'.",
                )
            )
        self.filename = as_path(self, "filename", filename)
        self.sep = separator
        self.append = append
        self._has_rows = False
        self._keys: list[str] = []

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._has_rows, self._keys = False, []

    def _check_setup(self) -> None:
        if not is_main_process():
            return
        with open(self.filename, "a", encoding="utf-8"):  # a wrong path fails before the first step
            pass

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if not is_main_process():
            return
        values: dict[str, Any] = dict(logs or {})
        appends = self._has_rows or (self.append and os.path.exists(self.filename))
        has_header = appends and os.path.getsize(self.filename) > 0
        if not self._keys:
            names: list[str] = (self.params or {}).get("logs") or []
            validation = {name for name in names if name.startswith("val_")}  # of later epochs
            self._keys = self._columns() if has_header else sorted({*values, *validation})
        with open(self.filename, "a" if appends else "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, delimiter=self.sep)
            if not has_header:
                writer.writerow(["epoch", *self._keys])
            writer.writerow([epoch, *(values.get(key, "NA") for key in self._keys)])
        self._has_rows = True

    def _columns(self) -> list[str]:
        """Read the column names of the existing file."""
        with open(self.filename, encoding="utf-8", newline="") as stream:
            return next(csv.reader(stream, delimiter=self.sep))[1:]

    _state_schema: ClassVar[Schema] = {"size": is_count, "keys": _is_list_of_text}

    def get_state(self) -> dict[str, Any]:
        size = os.path.getsize(self.filename) if self._has_rows else 0
        return {"size": size, "keys": self._keys}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Remove the rows of epochs that are repeated."""
        self._keys = list(state["keys"])
        if state["size"] and os.path.exists(self.filename):
            self._has_rows = True
            if os.path.getsize(self.filename) > state["size"]:
                os.truncate(self.filename, state["size"])
