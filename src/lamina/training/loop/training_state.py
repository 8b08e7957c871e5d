"""What a trainer continues from, besides the weights: the optimizer's arrays, seed and counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.base.processes import to_host
from lamina.saving import TrainingArrays
from lamina.training.checkpoints.schema import check_arrays
from lamina.training.loop.trainer import Trainer
from lamina.training.loop.weight_loan import seed_of
from lamina.training.step.named_arrays import training_arrays, without_accumulators

__all__ = ["resume_from", "training_state"]


_RATE = "learning_rate"


def training_state(trainer: Trainer) -> TrainingArrays | None:
    """Copy the state of a trainer to the host; None if neither a seed nor a state is known.

    If several processes hold it, all of them must call this together.
    """
    loan = trainer._loan
    arrays: dict[str, Any] = {}
    if loan.started is not None:
        arrays = without_accumulators(training_arrays(*loan.started))
    elif loan.pending_arrays is not None:
        arrays = without_accumulators(loan.pending_arrays)
    kept = {name: np.array(to_host(array)) for name, array in arrays.items()}
    if loan.pending_rate is not None:
        kept[_RATE] = np.asarray(loan.pending_rate)
    seed = loan.seed
    if seed is None and trainer.model._lamina.origin is not None:
        seed = seed_of(trainer.model)
    return None if seed is None and not kept else TrainingArrays(kept, seed or 0, trainer.epochs)


def resume_from(trainer: Trainer, state: TrainingArrays) -> None:
    """Let the next step of a new trainer continue from a state.

    That step raises a `FileFormatError` if the state belongs to another optimizer or to other
    trainable weights.
    """
    loan = trainer._loan
    arrays = {name: np.array(array) for name, array in state.arrays.items()}
    rate = arrays.pop(_RATE, None)
    if arrays:
        check_arrays(arrays)
        loan.restart(arrays, state.seed)
    loan.seed = state.seed
    loan.pending_rate = None if rate is None else float(rate)
    trainer.epochs = state.epochs
