"""Lamina: the policy `mixed_bfloat16`, with weights and statistics in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lamina
from benchmarks.convnet import with_lamina as convnet
from benchmarks.decoder import with_lamina as decoder
from benchmarks.half import Problem
from benchmarks.mlp import with_lamina as mlp

STEPS: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "MLP": mlp.step,
    "conv net": convnet.step,
    "transformer": decoder.step,
}


def step(problem: Problem) -> Callable[[], Any]:
    return STEPS[problem.model](problem.inner)


def bfloat16_step(problem: Problem) -> Callable[[], Any]:
    lamina.set_dtype_policy("mixed_bfloat16")
    try:
        return step(problem)
    finally:
        lamina.set_dtype_policy("float32")
