"""Equinox: layers are created with their input sizes and initialized immediately."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from benchmarks.building import Problem


def build(problem: Problem) -> Callable[[], Any]:
    def run() -> Any:
        keys, units = jax.random.split(jax.random.key(0), problem.layers), problem.units
        model = eqx.nn.Sequential([eqx.nn.Linear(units, units, key=key) for key in keys])
        arrays = jax.block_until_ready(jax.tree.leaves(eqx.filter(model, eqx.is_array)))
        return problem.result(sum(array.size for array in arrays))

    return run
