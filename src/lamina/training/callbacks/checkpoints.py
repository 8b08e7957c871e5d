"""Callbacks that write the model, or all of training, to disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from lamina import saving
from lamina.errors import InputError, explain
from lamina.training.callbacks.base import Callback
from lamina.training.callbacks.monitoring import Monitor
from lamina.training.checkpoints import store
from lamina.training.checkpoints.folders import check_file, check_folder
from lamina.training.checkpoints.records import Kinds, is_count, is_number, optional

__all__ = ["BackupAndRestore", "ModelCheckpoint"]


class ModelCheckpoint(Monitor):
    """Saves the model after epochs, or every so many batches: always, or when it is the best.

    Args:
        filepath: may hold ``{epoch}``, ``{batch}``, counted from 1, and names of logs:
            ``"{epoch:02d}-{val_loss:.2f}.lamina"``.
        monitor, mode: see :class:`Monitor`.
        verbose: 1 says when it saves.
        save_best_only: save only what improves on the best so far.
        save_weights_only: `save_weights` in place of `save`.
        save_freq: `"epoch"`, or how many batches.
        initial_value_threshold: what the first one must improve on.

    Raises:
        InputError: save_freq is neither; the path holds a name that is not among the logs.
        OSError: as training begins, its folder cannot be made or written to.

    >>> best = ModelCheckpoint("best.lamina", save_best_only=True)
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = _frequency(save_freq)
        self.best = initial_value_threshold
        self._seen = 0
        self._epoch = 0
        if self.save_freq is not None:
            self.on_train_batch_end = self._after_batch

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if self.save_best_only:
            super().on_train_begin(logs)
        fixed, brace, _ = self.filepath.partition("{")
        if brace:
            check_folder(os.path.dirname(fixed))
        else:
            check_file(fixed)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.save_freq is None:
            self._save(epoch, None, logs or {})

    def _after_batch(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._seen += 1
        if self.save_freq is not None and self._seen >= self.save_freq:
            self._seen = 0
            self._save(self._epoch, batch, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: Mapping[str, Any]) -> None:
        if self.save_best_only:
            value = self.current(logs)
            if value is None or not self.improves(value, self.best):
                return
            self.best = value
        path = self._path(epoch, batch, logs)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write = saving.save_weights if self.save_weights_only else saving.save
        write(self.model, path)
        if self.verbose:
            print(f"epoch {epoch + 1}: saved {path}")

    def _path(self, epoch: int, batch: int | None, logs: Mapping[str, Any]) -> str:
        names = dict(logs) | {"epoch": epoch + 1}
        names |= {} if batch is None else {"batch": batch + 1}
        try:
            return self.filepath.format(**names)
        except (KeyError, IndexError) as error:
            raise InputError(
                explain(
                    f"The path of ModelCheckpoint holds a name that there is not: {error}.",
                    expected=f"names out of {', '.join(names)}",
                    received=repr(self.filepath),
                    remedy="Use one of those, such as {epoch:02d}.",
                )
            ) from None

    _kinds: ClassVar[Kinds] = {"best": optional(is_number), "_seen": is_count}

    def get_state(self) -> dict[str, Any]:
        return {"best": self.best, "_seen": self._seen}

    def set_state(self, state: Mapping[str, Any]) -> None:
        vars(self).update({name: state[name] for name in self._kinds})


class BackupAndRestore(Callback):
    """Makes `fit` go on where it was when its process died: as ``checkpoint_dir`` and ``resume``.

    Args:
        backup_dir: where the checkpoints are.
        save_freq: `"epoch"`, or how many steps.
        double_checkpoint: keep two instead of one.
        delete_checkpoint: remove them when training has come to its end.

    Raises:
        InputError: save_freq is neither; as training begins, another run writes to the folder.
        OSError: as training begins, the folder cannot be made or written to.

    >>> backup = BackupAndRestore("backup", save_freq=1000)
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = _frequency(save_freq)
        self.keep = 2 if double_checkpoint else 1
        self.delete_checkpoint = delete_checkpoint

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self.delete_checkpoint:
            store.forget(self.backup_dir)


def _frequency(given: Any) -> int | None:
    """How many batches; None for an epoch."""
    if given == "epoch":
        return None
    if isinstance(given, int) and not isinstance(given, bool) and given > 0:
        return given
    raise InputError(
        explain(
            "save_freq is neither 'epoch' nor a number of batches.",
            received=repr(given),
            remedy="Give save_freq='epoch', or 1000 for example.",
        )
    )
