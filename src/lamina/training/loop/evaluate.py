"""Evaluation: loss and metrics over data, nothing learnt."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from lamina.errors import InputError
from lamina.training.callbacks.reported import DeviceLogs
from lamina.training.data.arrays import Arrays, batches_of
from lamina.training.data.batch_sources import no_batches
from lamina.training.data.prefetch import Prefetched, on_device
from lamina.training.loop.trainer import Trainer
from lamina.training.step.step import Program, Tallies

__all__ = ["evaluate"]


def evaluate(
    trainer: Trainer,
    data: Any,
    batch_size: int,
    steps: int | None = None,
) -> dict[str, Any]:
    """Loss and metrics over data by name.

    Raises:
        InputError: the data gave no batch.
    """
    arrays = isinstance(data, Arrays)
    judged = _rows(trainer, data, batch_size, steps) if arrays else _batches(trainer, data, steps)
    if not judged or trainer._program is None:
        raise InputError(no_batches())
    return dict(DeviceLogs(trainer._program.named(judged)))


def _batches(trainer: Trainer, data: Any, steps: int | None) -> Tallies:
    tallies: Tallies = ()
    batches = Prefetched(itertools.islice(batches_of(data), steps), on_device)
    try:
        for batch in batches:
            program, weights, state = _at_hand(trainer, functools.partial(_same, batch))
            tallies = program.judge(weights, state, tallies or program.no_tallies(), batch)
    finally:
        batches.close()
    return tallies


def _rows(trainer: Trainer, data: Arrays, size: int, steps: int | None) -> Tallies:
    rows = np.arange(data.count)
    few = min(size, data.count)
    program, weights, state = _at_hand(trainer, lambda: data.like(few))

    def judge(tallies: Tallies, order: Any, stop: int) -> Tallies:
        for rows, places, start, end in data.windows(order, 0, stop):
            jax.block_until_ready(tallies)  # two windows are the most that is held
            tallies = program.judge_many(weights, state, tallies, rows, places, start, end)
        return tallies

    whole = -(-data.count // size)
    left = whole if steps is None else min(steps, whole)
    tallies = program.no_tallies()
    for order in data.orders(rows, size):
        stop = min(left, order.shape[0])
        if stop > 0:
            tallies = judge(tallies, order, stop)
            left -= stop
    return tallies


def _at_hand(trainer: Trainer, batch: Callable[[], Any]) -> tuple[Program, Any, Any]:
    """The program, and the present weights and state."""
    program = trainer.prepare(batch)
    assert trainer._carry is not None
    return program, trainer._carry.weights, trainer._carry.state


def _same(batch: Any) -> Any:
    return batch
