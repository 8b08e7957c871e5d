"""Files that hold runs: logs, files of `CSVLogger`, and checkpoints; read again as they grow."""

from __future__ import annotations

import csv
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from lamina.json_text import excess
from lamina.training.checkpoints import contents, store
from lamina.training.dashboard.log import LOG_NAME, as_number
from lamina.training.dashboard.runs import Run

__all__ = ["CheckpointSource", "CsvSource", "LogSource", "Source", "find"]

LONGEST_LINE = 8 << 20  # bytes
LARGEST_CSV = 64 << 20  # bytes
BLOCK = 1 << 20  # bytes
BLOCKS_AT_ONCE = 8
DEEPEST = 4  # folders below a folder that is watched
MOST_FOLDERS = 2000
MOST_RUNS = 50


class Source(ABC):
    """A file with one or more runs.

    Args:
        path: of the file, or of the folder of checkpoints.
        name: of the run.

    Attributes:
        runs: what was read.
        is_partial: whether the last line has no end yet.
    """

    is_partial = False

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.runs = [Run(name)]
        self._seen: Any = None

    def read(self) -> bool:
        """Read what is new; return whether anything is. Errors become notes."""
        try:
            found = self._state()
            if found == self._seen:
                return False
            self._seen = found
            self._read()
        except Exception as error:  # whatever the file holds, the page goes on
            is_missing = isinstance(error, FileNotFoundError)
            plain = str(error).partition("\n")[0]
            text = "it is missing now" if is_missing else f"{type(error).__name__}: {plain}"
            if self._seen == text:
                return False
            self._seen = text
            self.runs[-1].note(f"The file cannot be read: {text}.")
        return True

    def _state(self) -> Any:
        """Return what changes as the file changes."""
        found = os.stat(self.path)
        return found.st_ino, found.st_size, found.st_mtime_ns

    @abstractmethod
    def _read(self) -> None: ...

    def _begin(self) -> None:
        """Begin another run in the same file."""
        if not self.runs[-1].is_empty and len(self.runs) < MOST_RUNS:
            self.runs.append(Run(f"{self.name} #{len(self.runs) + 1}"))


class LogSource(Source):
    """A log in the form of :mod:`lamina.training.dashboard.log`; only what is new is read."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path, name)
        self._offset = 0
        self._file = 0
        self._rest = b""
        self._is_skipping = False

    def _read(self) -> None:
        with open(self.path, "rb") as stream:
            found = os.fstat(stream.fileno())
            if found.st_ino != self._file or found.st_size < self._offset:  # another file
                self.runs, self._rest, self._is_skipping = [Run(self.name)], b"", False
                self._offset, self._file = 0, found.st_ino
            stream.seek(self._offset)
            for _ in range(BLOCKS_AT_ONCE):
                block = stream.read(BLOCK)
                self._offset += len(block)
                self._take(block)
        is_whole = self._offset >= found.st_size
        self.is_partial = is_whole and bool(self._rest.strip())
        if not is_whole:
            self._seen = None  # go on at the next look, so that the page appears meanwhile

    def _take(self, block: bytes) -> None:
        *lines, rest = block.split(b"\n")
        if lines:
            lines[0] = self._rest + lines[0]
            self._rest = b""
        for line in lines:
            if self._is_skipping:
                self._is_skipping = False
            elif line.strip():
                self._line(line)
        self._rest += b"" if self._is_skipping else rest
        if len(self._rest) > LONGEST_LINE:
            self._rest, self._is_skipping = b"", True
            self.runs[-1].note(f"A line of more than {LONGEST_LINE:,} bytes is left out.")

    def _line(self, line: bytes) -> None:
        try:
            text = line.decode("utf-8", "replace")
            problem = excess(text) if len(text) > BLOCK else None
            event: Any = None if problem is not None else json.loads(text)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            self.runs[-1].note("A line that is no JSON object, or a part of one, is left out.")
            return
        event = cast("dict[str, Any]", event)
        if event.get("event") == "begin" and not self.runs[-1].is_continued_by(event):
            self._begin()
        self.runs[-1].add(event)


class CsvSource(Source):
    """A file of :class:`lamina.training.callbacks.CSVLogger`, or of Keras's."""

    def _read(self) -> None:
        self.runs = [Run(self.name)]
        with open(self.path, "rb") as stream:
            data = stream.read(LARGEST_CSV)
        whole, _, rest = data.rpartition(b"\n")
        self.is_partial = bool(rest.strip())
        rows = _rows(whole.decode("utf-8", "replace"))
        header = next(rows, list[str]())
        before = -1.0
        for row in rows:
            numbers = [as_number(_as_json(one)) for one in row]
            if len(row) != len(header) or numbers[0] is None:
                self.runs[-1].note("A row that is not as the first one says is left out.")
                continue
            if numbers[0] <= before:
                self._begin()
            before = numbers[0]
            logs = zip(header[1:], numbers[1:], row[1:], strict=True)
            kept = {n: number for n, number, one in logs if one not in ("", "NA")}
            self.runs[-1].add_epoch(numbers[0] + 1, kept)


def _as_json(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _rows(text: str) -> Iterator[list[str]]:
    """Yield the rows of a CSV file whose first column is the epoch."""
    start = text.removeprefix('"epoch"' if text.startswith('"') else "epoch")[:1]
    lines = text.splitlines()
    yield from csv.reader(lines, delimiter=start if start and start not in "\r\n" else ",")


class CheckpointSource(Source):
    """The logs of all epochs in the newest checkpoint of a folder."""

    def _state(self) -> Any:
        found = store.folders(self.path)
        if not found:
            raise FileNotFoundError
        return found[-1].name

    def _read(self) -> None:
        self.runs = [Run(self.name)]
        index = contents.read_index(store.folders(self.path)[-1])
        progress = index["about"].get("more")
        states: Any = cast("dict[str, Any]", progress or {}).get("callbacks", [])
        for entry in states:
            if isinstance(entry, list) and cast("list[Any]", entry)[:1] == ["History"]:
                self._add(cast("list[Any]", entry)[1])
        if self.runs[0].is_empty:
            self.runs[0].note("The checkpoint holds no history.")

    def _add(self, state: Any) -> None:
        logs: dict[str, list[Any]] = state["history"]
        count = max(map(len, logs.values()), default=0)
        for index in range(count):  # a log that came later has fewer values, the last ones
            values = {n: v[index - count] for n, v in logs.items() if index - count >= -len(v)}
            self.runs[0].add_epoch(index + 1.0, values)


def find(given: Path) -> tuple[list[Source], list[str]]:
    """Find the files with runs in a folder and in the folders below it.

    In each folder, it is the log; else the files of `CSVLogger`; else the checkpoints.

    Args:
        given: a folder, or one file.

    Returns:
        The sources, and notes on what was left out.
    """
    if given.is_file():
        kind = CsvSource if given.suffix == ".csv" else LogSource
        return [kind(given, os.fspath(given))], []
    found: list[Source] = []
    folders, seen, notes = [(given, 0)], 0, list[str]()
    while folders:
        folder, depth = folders.pop(0)
        seen += 1
        if seen > MOST_FOLDERS or len(found) >= MOST_RUNS:
            notes.append(f"There are more than {MOST_RUNS} runs or {MOST_FOLDERS:,} folders.")
            break
        found += _in(folder)
        if depth < DEEPEST:
            folders += [(one, depth + 1) for one in _below(folder)]
    return found[:MOST_RUNS], notes


def _in(folder: Path) -> list[Source]:
    log, name = folder / LOG_NAME, os.fspath(folder)
    try:
        if log.is_file():
            return [LogSource(log, name)]
        tables = sorted(path for path in folder.glob("*.csv") if _is_table(path))
        if tables:
            return [CsvSource(path, os.fspath(path)) for path in tables]
        if store.folders(folder):
            return [CheckpointSource(folder, name)]
    except OSError:
        pass
    return []


def _is_table(path: Path) -> bool:
    if not path.is_file():  # a pipe would wait for its writer
        return False
    with open(path, "rb") as stream:
        return stream.read(7).startswith((b"epoch", b'"epoch"'))


def _below(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if entry.is_dir(follow_symlinks=False)
                and not entry.name.startswith((".", "checkpoint-"))
            )
    except OSError:
        return []
    return [folder / name for name in names]
