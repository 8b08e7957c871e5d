"""Evaluation: the loss and metrics over data, without training."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import jax
import numpy as np

from lamina.errors import InputError
from lamina.training.callbacks.device_logs import DeviceLogs
from lamina.training.data.arrays import Arrays, batch_indices
from lamina.training.data.batches import iterate
from lamina.training.data.iterable_source import no_batches
from lamina.training.data.passes import Passes, warn_of_few_batches
from lamina.training.data.prefetch import Prefetched, to_device
from lamina.training.loop.trainer import Trainer
from lamina.training.step.accumulators import Accumulators
from lamina.training.step.program import Program

__all__ = ["evaluate"]


def evaluate(
    trainer: Trainer,
    data: Any,
    batch_size: int | None,
    steps: int | None = None,
) -> dict[str, Any]:
    """Return the loss and metrics over data by name.

    Args:
        trainer: has the model, the loss and the metrics.
        data: :class:`Arrays`, or a source of batches.
        batch_size: examples in a batch of arrays; the last batch may be smaller. None for
            :meth:`Arrays.batch_size`.
        steps: the largest number of batches; None for all.

    Raises:
        InputError: the data contain no batch.
    """
    if isinstance(data, Arrays):
        size = data.batch_size(batch_size, steps)
        program, total = _over_rows(trainer, data, size, steps)
    else:
        program, total = _over_batches(trainer, data, steps)
    return dict(DeviceLogs(program.logs(total)))


def _over_batches(trainer: Trainer, data: Any, steps: int | None) -> tuple[Program, Accumulators]:
    found: tuple[Program, Accumulators] | None = None
    if isinstance(data, Passes) and data.is_spent:
        warn_of_few_batches(None, 0)
    count = 0
    batches = Prefetched(itertools.islice(iterate(data), steps), to_device)
    try:
        for batch in batches:
            program, carry = trainer.prepare(functools.partial(_same, batch))
            total = program.empty_accumulators() if found is None else found[1]
            total = program.evaluate_batch(carry.trainable, carry.non_trainable, total, batch)
            found = program, total
            count += 1
    finally:
        batches.close()
    if found is None:
        raise InputError(no_batches())
    if steps is not None and count < steps:
        warn_of_few_batches(steps, count)
    return found


def _over_rows(
    trainer: Trainer, data: Arrays, size: int, steps: int | None
) -> tuple[Program, Accumulators]:
    program, carry = trainer.prepare(lambda: data.example_batch(min(size, data.count)))
    total = program.empty_accumulators()
    left = whole = -(-data.count // size)
    if steps is not None:
        left = min(steps, whole)
        if whole < steps:
            warn_of_few_batches(steps, whole)
    for indices in batch_indices(np.arange(data.count), size):
        stop = min(left, indices.shape[0])
        left -= stop
        for part in data.ranges(indices, 0, stop) if stop else ():
            jax.block_until_ready(total)  # keep at most two ranges in memory
            total = program.evaluate_rows(carry.trainable, carry.non_trainable, total, *part)
    return program, total


def _same(batch: Any) -> Any:
    return batch
