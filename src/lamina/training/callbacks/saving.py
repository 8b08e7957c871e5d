"""Callbacks that save the model, or the whole state of training."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from lamina import saving
from lamina.errors import InputError
from lamina.lazy import lazily
from lamina.training.callbacks.base import Callback
from lamina.training.callbacks.log_names import LogNames
from lamina.training.callbacks.messages import print_message
from lamina.training.callbacks.monitoring import Mode, Monitor
from lamina.training.callbacks.options import as_path, check_numbers, save_frequency
from lamina.training.callbacks.paths import field_names, format_path, unknown_name
from lamina.training.checkpoints import store
from lamina.training.checkpoints.folders import check_file, check_folder
from lamina.training.checkpoints.schema import Schema, is_count, is_number, optional

if TYPE_CHECKING:
    from lamina.saving.keras import writing as keras_files
else:
    keras_files = lazily("lamina.saving.keras.writing")

__all__ = ["BackupAndRestore", "ModelCheckpoint"]


class ModelCheckpoint(Monitor):
    """Saves the model after each epoch or every N batches, or only when it is the best so far.

    The file also holds the arguments of `compile` and the state of the optimizer, so that `fit`
    continues after loading.

    Args:
        filepath: the path, which may contain ``{epoch}`` and ``{batch}``, counted from 1, and the
            names of logs: ``"{epoch:02d}-{val_loss:.2f}.lamina"``.
        monitor: the name of the log, for `save_best_only`.
        verbose: 1 prints when the model is saved; 0 (default) does not.
        save_best_only: whether to save only if the log has improved; False by default.
        save_weights_only: whether to call `save_weights` instead of `save`; False by default.
        mode: `"min"` if lower values of the log are better, `"max"` if higher ones are, `"auto"`
            (default) for losses and the metrics of Lamina.
        save_freq: `"epoch"` (default), or a number of batches.
        initial_value_threshold: with `save_best_only`, the value that the first saved model must
            improve on; None (default) for none.

    Raises:
        LaminaError: when training begins, a name in ``.keras`` asks for what Keras cannot hold.
        InputError: `filepath`, `save_freq` or `mode` is invalid; or the path contains a name that
            is not among the logs.
        OSError: when training begins, the folder cannot be created or written to.

    >>> best = ModelCheckpoint("best.lamina", save_best_only=True)
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: Mode = "auto",
        save_freq: Literal["epoch"] | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath = as_path(self, "filepath", filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self._for_keras = saving.is_for_keras(self.filepath, weights=save_weights_only)
        check_numbers(self, initial_value_threshold=initial_value_threshold)
        self.save_freq = save_frequency(save_freq)
        self.best = initial_value_threshold
        self._seen = 0
        self._epoch = 0
        if self.save_freq is not None:
            self.on_train_batch_end = self._after_batch

    def _check_names(self, names: LogNames) -> None:
        of_batch = self.save_freq is not None
        known = names.batch if of_batch else names.epoch
        if self.save_best_only:
            if names.exclude(self.monitor, of_batch):
                raise InputError(self._missing(known))
            if self.monitor in known:
                self._higher_is_better()
        counts = ("epoch", "batch") if of_batch else ("epoch",)
        follows_validation = self.save_best_only and self.monitor in names.validation
        if not (names.always_validates or of_batch) and not follows_validation:
            known = (*names.batch, *names.rate)
        for name in field_names(self.filepath):
            if name not in counts and (
                names.exclude(name, of_batch) or _is_late(name, names, known)
            ):
                raise InputError(unknown_name(self.filepath, name, (*counts, *known)))

    def _check_setup(self) -> None:
        fixed, brace, _ = self.filepath.partition("{")
        if brace:
            check_folder(os.path.dirname(fixed))
        else:
            check_file(fixed)
        if self._for_keras and not self.save_weights_only:
            keras_files.check(self.model, self.filepath)  # rather than after an epoch

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
        if self.save_weights_only:
            saving.save_weights(self.model, path)
        else:
            self.model.save(path)
        if self.verbose:
            print_message(f"epoch {epoch + 1}: saved {path}")

    def _path(self, epoch: int, batch: int | None, logs: Mapping[str, Any]) -> str:
        names = dict(logs) | {"epoch": epoch + 1}
        names |= {} if batch is None else {"batch": batch + 1}
        return format_path(self.filepath, names)

    _state_schema: ClassVar[Schema] = {"best": optional(is_number), "_seen": is_count}

    def get_state(self) -> dict[str, Any]:
        return {"best": self.best, "_seen": self._seen}

    def set_state(self, state: Mapping[str, Any]) -> None:
        vars(self).update({name: state[name] for name in self._state_schema})


class BackupAndRestore(Callback):
    """Lets an interrupted `fit` resume, as ``fit(checkpoint_dir=..., resume=True)`` does.

    Args:
        backup_dir: the folder of the checkpoints.
        save_freq: `"epoch"` (default), or a number of steps.
        double_checkpoint: whether to keep two checkpoints instead of one; False by default.
        delete_checkpoint: whether to delete the checkpoints when training ends; True by default.

    Raises:
        InputError: `backup_dir` or `save_freq` is invalid; or, when training begins, another run
            writes to the folder.
        OSError: when training begins, the folder cannot be created or written to.

    >>> backup = BackupAndRestore("backup", save_freq=1000)
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: Literal["epoch"] | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        self.backup_dir = as_path(self, "backup_dir", backup_dir)
        self.save_freq = save_frequency(save_freq)
        self.keep = 2 if double_checkpoint else 1
        self.delete_checkpoint = delete_checkpoint

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self.delete_checkpoint:
            store.remove_all(self.backup_dir)


def _is_late(name: str, names: LogNames, known: Sequence[str]) -> bool:
    """Return whether a log of validation is missing in some epochs."""
    return name in names.validation and name not in known
