"""Lamina: a `Sequential`, built under a placement, and `Trainer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
from jax.sharding import Mesh

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.building import Problem as Layers
from benchmarks.building import with_lamina as unplaced
from benchmarks.placement import Problem
from lamina import Sequential, Trainer, layers
from lamina.distribute import Placement

KINDS = {"data parallel": Placement.data_parallel, "fully sharded": Placement.fully_sharded}


def step(problem: Problem) -> Callable[[], Any]:
    mesh = Mesh(np.array(jax.devices()[: problem.devices]), ("data",))
    model = Sequential(
        [layers.Dense(problem.units, activation="relu") for _ in problem.weights[1:]]
        + [layers.Dense(problem.units)]
    )
    model.build((None, problem.units), placement=KINDS[problem.kind](mesh))
    named = {
        f"layers.{i}.{name}": value
        for i, pair in enumerate(problem.weights)
        for name, value in zip(("kernel", "bias"), pair, strict=True)
    }
    model.set_values(named)
    trainer = Trainer(model, optax.adam(LEARNING_RATE, eps=EPSILON), "mse")
    batch = problem.inputs, problem.labels
    return lambda: trainer.step(batch)["loss"].block_until_ready()


def build(problem: Layers) -> Callable[[], Any]:
    placement = Placement.fully_sharded()

    def run() -> Any:
        model = unplaced.model_of(problem)
        model.build((None, problem.units), placement=placement)
        jax.block_until_ready(model.values())
        return problem.result(model.count_params())

    return run


build_on_one_device = unplaced.build
