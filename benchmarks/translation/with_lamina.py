"""Lamina: `Seq2Seq` and `Trainer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optax

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.translation import Problem
from lamina import Trainer, losses
from lamina.seq2seq import Seq2Seq

ADAM = optax.adam(LEARNING_RATE, eps=EPSILON)


def step(problem: Problem) -> Callable[[], Any]:
    source, before, labels = problem.rows
    model = Seq2Seq(
        problem.vocabulary,
        problem.vocabulary,
        embedding=problem.embedding,
        units=problem.units,
        bidirectional=False,
    )
    model.build(source, before)
    model.set_values(problem.weights)
    trainer = Trainer(model, ADAM, losses.SparseCategoricalCrossentropy(from_logits=True))
    batch = (source, before), labels
    return lambda: trainer.step(batch)["loss"]


def first_step(problem: Problem) -> Callable[[], Any]:
    return lambda: step(problem)()
