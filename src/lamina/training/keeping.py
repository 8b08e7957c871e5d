"""Checkpoints of a run of `fit`: when they fall due, and a thread that writes them meanwhile."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamina.errors import InputError, explain
from lamina.training import checkpoints
from lamina.training.snapshots import Snapshot
from lamina.training.trainer import Trainer

__all__ = ["Keeper"]

_PAUSE = 600.0  # seconds within an epoch from one checkpoint to the next


@dataclass
class Keeper:
    """Writes checkpoints at the end of epochs and in them, and finds the newest again.

    One that falls due while the one before is being written waits until that is done.

    Args:
        directory: of the checkpoints.
        every: how many steps; if None, ten minutes. The ends of epochs are added.
        keep: how many are left, the newest.
        resume: go on from the newest. Otherwise the directory must hold none.

    Raises:
        InputError: there are checkpoints that `resume` was not said of.
    """

    directory: str | os.PathLike[str]
    every: int | None = None
    keep: int = 3
    resume: bool = False
    _last: int = 0
    _saved: float = field(default_factory=time.monotonic)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _writing: Future[Path] | None = None

    def begin(self, trainer: Trainer) -> dict[str, Any] | None:
        """Go on from the newest checkpoint; what was saved with it, None if there is none."""
        checkpoints.clean(self.directory)
        if self.resume:
            found = trainer.resume(self.directory)
            self._last = trainer.wait()
            return found and found["more"]
        there = checkpoints.folders(self.directory)
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
        """Wait for what is being written."""
        self._settle()
        self._pool.shutdown()

    def _write(self, snapshot: Snapshot) -> Path:
        return checkpoints.write(self.directory, snapshot.contents(), self.keep)

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
