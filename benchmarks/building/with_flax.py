"""Flax NNX: layers are created with their input sizes and initialized immediately."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from flax import nnx

from benchmarks.building import Problem


def build(problem: Problem) -> Callable[[], Any]:
    def run() -> Any:
        rngs, units = nnx.Rngs(0), problem.units
        model = nnx.Sequential(
            *[nnx.Linear(units, units, rngs=rngs) for _ in range(problem.layers)]
        )
        arrays = jax.block_until_ready(jax.tree.leaves(nnx.state(model, nnx.Param)))
        return problem.result(sum(array.size for array in arrays))

    return run
