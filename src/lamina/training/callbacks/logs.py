"""Callbacks that write logs to files: as a table of text, and for TensorBoard."""

from __future__ import annotations

import csv
import importlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from lamina.errors import LaminaError, explain
from lamina.training.callbacks.base import Callback
from lamina.training.checkpoints.folders import check_folder
from lamina.training.checkpoints.records import Kinds, is_count, is_list, is_text

__all__ = ["CSVLogger", "TensorBoard"]


def _is_texts(value: Any) -> bool:
    return is_list(value) and all(map(is_text, value))


class CSVLogger(Callback):
    """Writes the logs of each epoch as a row of a file; what an epoch has not is NA.

    Args:
        filename: of the file.
        separator: between the columns.
        append: add rows to a file that is there, under the columns that it has, in place of
            beginning it anew.

    Raises:
        OSError: as training begins, the file cannot be written.

    >>> logger = CSVLogger("log.csv")
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self._begun = False
        self._keys: list[str] = []

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._begun, self._keys = False, []
        with open(self.filename, "a", encoding="utf-8"):  # a bad path fails before the first step
            pass

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        given: dict[str, Any] = dict(logs or {})
        kept = self._begun or (self.append and os.path.exists(self.filename))
        headed = kept and os.path.getsize(self.filename) > 0
        if not self._keys:
            told: list[str] = (self.params or {}).get("logs") or []
            later = {name for name in told if name.startswith("val_")}  # not after every epoch
            self._keys = self._columns() if headed else sorted({*given, *later})
        with open(self.filename, "a" if kept else "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, delimiter=self.sep)
            if not headed:
                writer.writerow(["epoch", *self._keys])
            writer.writerow([epoch, *(given.get(key, "NA") for key in self._keys)])
        self._begun = True

    def _columns(self) -> list[str]:
        """The names over the columns of the file that is there."""
        with open(self.filename, encoding="utf-8", newline="") as stream:
            return next(csv.reader(stream, delimiter=self.sep))[1:]

    _kinds: ClassVar[Kinds] = {"size": is_count, "keys": _is_texts}

    def get_state(self) -> dict[str, Any]:
        size = os.path.getsize(self.filename) if self._begun else 0
        return {"size": size, "keys": self._keys}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take away the rows of epochs that are made again."""
        self._keys = list(state["keys"])
        if state["size"] and os.path.exists(self.filename):
            self._begun = True
            if os.path.getsize(self.filename) > state["size"]:
                os.truncate(self.filename, state["size"])


class TensorBoard(Callback):
    """Writes logs for TensorBoard, which must be installed: ``pip install tensorboard``.

    Args:
        log_dir: what TensorBoard is given; curves stand in ``train`` and ``validation`` below it.
        update_freq: `"epoch"`, `"batch"`, or how many batches.

    Raises:
        LaminaError: TensorBoard is not installed.
        OSError: as training begins, `log_dir` cannot be made or written to.
    """

    def __init__(
        self, log_dir: str | os.PathLike[str] = "logs", update_freq: str | int = "epoch"
    ) -> None:
        self.log_dir = Path(log_dir)
        self.update_freq = 1 if update_freq == "batch" else update_freq
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
            place = "validation" if name.startswith("val_") else "train"
            self._write(place, f"epoch_{name.removeprefix('val_')}", value, epoch)
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

    def _write(self, place: str, tag: str, value: Any, step: int) -> None:
        writing, events, summaries = self._modules
        if place not in self._writers:
            self._writers[place] = writing.EventFileWriter(str(self.log_dir / place))
        if isinstance(value, list):
            return  # a curve is one number a step
        told = summaries.Summary(value=[summaries.Summary.Value(tag=tag, simple_value=value)])
        self._writers[place].add_event(events.Event(wall_time=time.time(), step=step, summary=told))

    _kinds: ClassVar[Kinds] = {"steps": is_count}

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
                remedy="pip install tensorboard, or use CSVLogger.",
            )
        ) from None
