"""Callbacks that write logs to files: CSV, and TensorBoard event files."""

from __future__ import annotations

import csv
import importlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from lamina.counts import as_count
from lamina.errors import LaminaError, explain
from lamina.training.callbacks.base import Callback
from lamina.training.checkpoints.folders import check_folder
from lamina.training.checkpoints.schema import Schema, is_count, is_list, is_text

__all__ = ["CSVLogger", "TensorBoard"]


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
        OSError: when training begins, the file cannot be written.

    >>> logger = CSVLogger("log.csv")
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self._has_rows = False
        self._keys: list[str] = []

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._has_rows, self._keys = False, []
        with open(self.filename, "a", encoding="utf-8"):  # a wrong path fails before the first step
            pass

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
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


class TensorBoard(Callback):
    """Writes logs as event files of TensorBoard, which is needed: ``pip install tensorboard``.

    Logs that are lists of numbers are not written.

    Args:
        log_dir: the folder for ``tensorboard --logdir``; it gets subfolders ``train`` and
            ``validation``.
        update_freq: `"epoch"` (default), `"batch"`, or a number of batches.

    Raises:
        LaminaError: TensorBoard is not installed.
        OSError: when training begins, `log_dir` cannot be created or written to.
    """

    def __init__(
        self, log_dir: str | os.PathLike[str] = "logs", update_freq: str | int = "epoch"
    ) -> None:
        self.log_dir = Path(log_dir)
        self.update_freq: str | int = "epoch"
        if update_freq != "epoch":
            every = 1 if update_freq == "batch" else update_freq
            self.update_freq = as_count("update_freq", every, or_else="'epoch'", example=100)
        self._modules = _tensorboard()
        self._writers: dict[str, Any] = {}
        self._steps = 0
        if self.update_freq != "epoch":
            self.on_train_batch_end = self._after_batch

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._steps = 0
        check_folder(self.log_dir)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for name, value in dict(logs or {}).items():
            folder = "validation" if name.startswith("val_") else "train"
            self._write(folder, f"epoch_{name.removeprefix('val_')}", value, epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _after_batch(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._steps % int(self.update_freq) == 0:
            for name, value in (logs or {}).items():
                self._write("train", f"batch_{name}", value, self._steps)
        self._steps += 1

    def _write(self, folder: str, tag: str, value: Any, step: int) -> None:
        writing, events, summaries = self._modules
        if folder not in self._writers:
            self._writers[folder] = writing.EventFileWriter(str(self.log_dir / folder))
        if isinstance(value, list):
            return
        summary = summaries.Summary(value=[summaries.Summary.Value(tag=tag, simple_value=value)])
        self._writers[folder].add_event(
            events.Event(wall_time=time.time(), step=step, summary=summary)
        )

    _state_schema: ClassVar[Schema] = {"steps": is_count}

    def get_state(self) -> dict[str, Any]:
        return {"steps": self._steps}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._steps = state["steps"]


def _tensorboard() -> tuple[Any, Any, Any]:
    try:
        return (
            importlib.import_module("tensorboard.summary.writer.event_file_writer"),
            importlib.import_module("tensorboard.compat.proto.event_pb2"),
            importlib.import_module("tensorboard.compat.proto.summary_pb2"),
        )
    except ImportError as error:
        raise LaminaError(
            explain(
                "The TensorBoard callback needs the package tensorboard.",
                received=str(error),
                remedy="Run pip install tensorboard, or use CSVLogger.",
            )
        ) from None
