"""Checkpoints of a trainer: snapshots of the arrays on loan, and a loan that starts from one."""

from __future__ import annotations

import copy
import errno
from collections.abc import Mapping
from os import PathLike, fspath
from typing import Any

from lamina import saving
from lamina.core.base.lock import LOCK
from lamina.core.building.transaction import all_or_nothing
from lamina.core.tree.changes import ChangeDetector
from lamina.core.tree.node import Tracked
from lamina.core.tree.trainable import frozen_variables
from lamina.core.tree.walk import walk
from lamina.errors import InputError, explain
from lamina.saving.metadata import Metadata, describe
from lamina.training.checkpoints import sharded_arrays, sharded_state, store
from lamina.training.checkpoints.contents import Checkpoint
from lamina.training.checkpoints.snapshot import Snapshot
from lamina.training.loop.optimizer_state import swap_averages
from lamina.training.loop.weight_loan import WeightLoan
from lamina.training.optimizers.initial_state import state_shapes
from lamina.training.step import named_arrays

__all__ = ["TrainerCheckpoints", "no_checkpoint"]


class TrainerCheckpoints:
    """Takes snapshots of a loan and restores it.

    Args:
        loan: the arrays of training.
    """

    def __init__(self, loan: WeightLoan) -> None:
        self._loan = loan
        self._metadata: tuple[ChangeDetector, Metadata] | None = None

    def snapshot(self, epochs: int, more: Any) -> Snapshot:
        """Copy all arrays of training on the device.

        Args:
            epochs: the number of epochs trained.
            more: arrays, and values that JSON can hold.

        Raises:
            InputError: no step was made yet.
        """
        model = self._loan.model
        if self._loan.started is None:
            raise InputError(_no_step(model))
        has_averages = self._loan.has_averages
        swap_averages(self._loan, False)  # a checkpoint has the weights as weights
        program, carry = self._loan.started
        if self._metadata is None or not self._metadata[0].is_unchanged():
            with LOCK:
                self._metadata = ChangeDetector(model), describe(walk(model))
        copies = named_arrays.copy_carry(carry)
        swap_averages(self._loan, has_averages)
        return Snapshot(
            named_arrays.model_arrays(program, copies),
            named_arrays.training_arrays(program, copies),
            copy.deepcopy(self._metadata[1]),
            {"seed": self._loan.seed, "epochs": epochs, "more": more},
            program.placement is not None,
        )

    def resume(self, directory: str | PathLike[str] | Checkpoint) -> dict[str, Any] | None:
        """Load a checkpoint, or the newest complete one of a directory.

        Returns:
            The entries that `snapshot` wrote; None if there is no checkpoint.

        Raises:
            FileFormatError: it belongs to another model or optimizer, or all are damaged. Nothing
                has changed.
            LaminaError: its model had a placement, and Orbax is not installed.
        """
        found = directory if isinstance(directory, Checkpoint) else store.newest(directory)
        if found is None:
            return None
        self._loan.recall()
        model, arrays, about = self._loan.model, dict(found.arrays), found.about
        if found.sharded is not None:
            sharded_arrays.orbax()
        with LOCK, all_or_nothing(model):
            if found.sharded is None:
                saving.load_weights(model, found.weights)
            else:
                saving.load_arrays(model, sharded_state.weights(found, found.sharded))
                arrays, about = sharded_state.other_arrays(found, model)
            self._check_optimizer(arrays)
        self._loan.restart(arrays, about["seed"])
        return about

    def _check_optimizer(self, arrays: Mapping[str, Any]) -> None:
        """Check that the arrays of a checkpoint belong to the optimizer and its weights."""
        tree = walk(self._loan.model)
        frozen = frozen_variables(tree)
        weights = {p: v.stored() for key, (p, v) in tree.variables.items() if key not in frozen}
        named_arrays.check_state(state_shapes(self._loan.optimizer.init, weights), arrays)


def no_checkpoint(directory: str | PathLike[str]) -> FileNotFoundError:
    """Return the error for a directory without a checkpoint."""
    text = explain(
        f"There is no checkpoint in {fspath(directory)!r}.",
        expected="folders checkpoint-..., as Trainer.save and fit(checkpoint_dir=...) write them",
        received="none",
        remedy="Pass the folder that was passed to save, not one of the folders in it.",
    )
    return FileNotFoundError(errno.ENOENT, text)


def _no_step(model: Tracked) -> str:
    return explain(
        "There is nothing to save before the first step.",
        where=f"{type(model).__name__}, made at {model._lamina.made_at}",
        expected="at least one step",
        received="none",
        remedy="Make a step first, or save the weights alone: save_weights(path).",
    )
