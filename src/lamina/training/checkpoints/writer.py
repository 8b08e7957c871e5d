"""The checkpoints of one run of `fit`: when they are due, and a thread that writes them."""

from __future__ import annotations

import contextlib
import functools
import os
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamina.core.base import processes
from lamina.errors import InputError, explain
from lamina.training.checkpoints import schema, store
from lamina.training.checkpoints.contents import Checkpoint
from lamina.training.checkpoints.folders import FolderLock
from lamina.training.checkpoints.snapshot import Snapshot

__all__ = ["CheckpointWriter"]

_INTERVAL = 600.0  # seconds between checkpoints within an epoch


@dataclass
class CheckpointWriter:
    """Writes checkpoints at the end of epochs and within them, and finds the newest one.

    While one is being written, a checkpoint that is due within an epoch is delayed, and that of the
    end of an epoch is left out, except the last. Several processes
    that write one checkpoint together wait for it, and write none after an interval of time, as
    their clocks differ.

    Args:
        directory: of the checkpoints.
        every: the number of steps between checkpoints; None for ten minutes.
        keep: the number of newest checkpoints to keep.
        resume: whether to resume from the newest; otherwise the directory must have none.

    Attributes:
        last_step: the number of steps before the last checkpoint.
    """

    directory: str | os.PathLike[str]
    every: int | None = None
    keep: int = 3
    resume: bool = False
    last_step: int = 0
    _last_time: float = field(default_factory=time.monotonic)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _writing: Future[Path] | None = None
    _lock: FolderLock | None = None
    _together: bool = False

    def begin(
        self, check_callbacks: Callable[[Any], None], sharded: bool = False
    ) -> Checkpoint | None:
        """Lock the directory and return the checkpoint to resume from, or None.

        Args:
            check_callbacks: raises FileFormatError if states of callbacks are invalid.
            sharded: whether the model has a placement; False by default.

        Raises:
            InputError: there are checkpoints and `resume` is False, or another run has the lock.
            OSError: the directory cannot be created or written to.
        """
        self._together = sharded and processes.are_several()
        with processes.together() if self._together else contextlib.nullcontext():
            if not self._together or processes.is_main_process():
                self._lock = FolderLock(self.directory)
                store.remove_partial(self.directory)
        if self.resume:
            return store.newest(self.directory, functools.partial(_check, check_callbacks))
        found = store.folders(self.directory)
        if found:
            raise InputError(
                explain(
                    f"{os.fspath(self.directory)!r} contains checkpoints of an earlier run.",
                    expected="an empty folder, or resume=True",
                    received=f"{len(found)} checkpoints, the newest {found[-1].name}",
                    remedy="Pass resume=True to continue it, or use another checkpoint_dir.",
                )
            )
        return None

    def steps_until_due(self, step: int) -> int | None:
        """Return the number of steps until a checkpoint is due; None if that depends on time."""
        return None if self.every is None else max(1, self.last_step + self.every - step)

    def is_due(self, step: int) -> bool:
        """Return whether a checkpoint is due after `step` steps and none is being written."""
        if self._writing is not None and not self._writing.done():
            return False
        if self.every is None:
            if self._together:
                return False
            return time.monotonic() - self._last_time > _INTERVAL
        return step - self.last_step >= self.every

    def save(
        self, steps: Callable[[], int], snapshot: Callable[[], Snapshot], wait: bool = False
    ) -> None:
        """Start to write a checkpoint; without `wait`, skip it while another is being written.

        Args:
            steps: waits for the device and returns the number of steps made.
            snapshot: returns what to write.
            wait: whether to wait until it is on the disk, and to raise its errors.

        Raises:
            OSError: it cannot be written, and `wait` is True.
        """
        if self._writing is not None:
            if not wait and not self._writing.done():
                return
            self._finish()
        self.last_step, self._last_time = steps(), time.monotonic()
        self._writing = self._pool.submit(self._write, snapshot())
        if wait or self._together:
            self._finish(raises=wait)

    def close(self) -> None:
        """Wait for the checkpoint being written, and release the lock."""
        try:
            self._finish()
        finally:
            self._pool.shutdown()
            if self._lock is not None:
                self._lock.close()

    def _write(self, snapshot: Snapshot) -> Path:
        return store.write(self.directory, snapshot.contents(), self.keep, locked=True)

    def _finish(self, raises: bool = False) -> None:
        """Wait for the checkpoint being written; warn of a failure, or raise it."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        try:
            writing.result()
        except OSError as error:
            if raises:
                raise
            warnings.warn(f"Training continues without a checkpoint. {error}", stacklevel=2)


def _check(check_callbacks: Callable[[Any], None], checkpoint: Checkpoint) -> None:
    """Check what `fit` wrote into a checkpoint, and the states of its callbacks."""
    progress = checkpoint.about["more"]
    schema.check_fit_progress(progress)
    if progress is not None:
        check_callbacks(progress["callbacks"])
