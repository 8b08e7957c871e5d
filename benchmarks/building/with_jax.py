"""Raw JAX: tracing the shapes of the layers, the minimum work of a plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from benchmarks.building import Problem


def plan(problem: Problem) -> Callable[[], Any]:
    units = problem.units
    kernel, bias = (
        jax.ShapeDtypeStruct((units, units), "float32"),
        jax.ShapeDtypeStruct((units,), "float32"),
    )
    weights = [(kernel, bias)] * problem.layers
    inputs = jax.ShapeDtypeStruct((48, units), "float32")

    def run() -> Any:
        def forward(weights: Any, x: jax.Array) -> jax.Array:
            for kernel, bias in weights:
                x = x @ kernel + bias
            return x

        jax.eval_shape(forward, weights, inputs)
        return problem.result(sum(a.size for pair in weights for a in pair))

    return run
