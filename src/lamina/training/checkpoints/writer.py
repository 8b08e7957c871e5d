"""Checkpoints of a run of `fit`: when they fall due, and a thread that writes them meanwhile."""

from __future__ import annotations

import functools
import os
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamina.errors import InputError, explain
from lamina.training.checkpoints import records, store
from lamina.training.checkpoints.contents import Checkpoint
from lamina.training.checkpoints.folders import FolderLock
from lamina.training.checkpoints.trainer_state import Snapshot
from lamina.training.loop.trainer import Trainer

__all__ = ["Keeper"]

_PAUSE = 600.0  # seconds within an epoch from one checkpoint to the next


@dataclass
class Keeper:
    """Writes checkpoints at the end of epochs and in them, and finds the newest again.

    One that falls due while the one before is being written waits until that is done.

    Args:
        directory: of the store.
        every: how many steps; if None, ten minutes. The ends of epochs are added.
        keep: how many are left, the newest.
        resume: go on from the newest. Otherwise the directory must hold none.

    Raises:
        InputError: there are checkpoints that `resume` was not said of, or another run writes to
            the directory.
        OSError: the directory cannot be made or written to.
    """

    directory: str | os.PathLike[str]
    every: int | None = None
    keep: int = 3
    resume: bool = False
    _last: int = 0
    _saved: float = field(default_factory=time.monotonic)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _writing: Future[Path] | None = None
    _lock: FolderLock | None = None

    def begin(self, check: Callable[[Any], None]) -> Checkpoint | None:
        """Lock the directory, and find the checkpoint to go on from, if there is one.

        Args:
            check: raises FileFormatError where the states of callbacks in a checkpoint are no
                such states.
        """
        self._lock = FolderLock(self.directory)
        store.clean(self.directory)
        if self.resume:
            return store.newest(self.directory, functools.partial(_check, check))
        there = store.folders(self.directory)
        if there:
            raise InputError(
                explain(
                    f"{os.fspath(self.directory)!r} holds checkpoints of an earlier run.",
                    expected="an empty folder, or resume=True",
                    received=f"{len(there)} checkpoints, the newest {there[-1].name}",
                    remedy="Pass resume=True to go on from it, or give another checkpoint_dir.",
                )
            )
        return None

    def go_on(self, trainer: Trainer, found: Checkpoint | None) -> None:
        """Let a trainer go on from what was found.

        Raises:
            FileFormatError: it is of another model. Nothing was changed.
        """
        if found is not None:
            trainer.resume(found)
        if self.resume:
            self._last = trainer.wait()

    def left(self, step: int) -> int | None:
        """How many steps may be made before one falls due; None where time decides."""
        return None if self.every is None else max(1, self._last + self.every - step)

    def due(self, step: int) -> bool:
        """Whether one is due and can be begun, `step` steps after the very first."""
        if self._writing is not None and not self._writing.done():
            return False
        if self.every is None:
            return time.monotonic() - self._saved > _PAUSE
        return step - self._last >= self.every

    def save(self, trainer: Trainer, more: Mapping[str, Any], last: bool = False) -> None:
        """Begin to write a checkpoint; the last one is there when this returns.

        Raises:
            OSError: the last one cannot be written.
        """
        if self._writing is not None:
            if not last and not self._writing.done():
                return
            self._settle()
        self._last, self._saved = trainer.wait(), time.monotonic()
        self._writing = self._pool.submit(self._write, trainer.snapshot(dict(more)))
        if last:
            self._settle(raises=True)

    def close(self) -> None:
        """Wait for what is being written, and let others write to the directory."""
        try:
            self._settle()
        finally:
            self._pool.shutdown()
            if self._lock is not None:
                self._lock.close()

    def _write(self, snapshot: Snapshot) -> Path:
        return store.write(self.directory, snapshot.contents(), self.keep, locked=True)

    def _settle(self, raises: bool = False) -> None:
        """Wait for the writer; a failure is told of, for training to go on, or raised."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        try:
            writing.result()
        except OSError as error:
            if raises:
                raise
            warnings.warn(f"Training goes on without a checkpoint. {error}", stacklevel=2)


def _check(check: Callable[[Any], None], found: Checkpoint) -> None:
    """See that a checkpoint says where a run stood, and in what states its callbacks were."""
    more = found.about["more"]
    records.check_run(more)
    if more is not None:
        check(more["callbacks"])
