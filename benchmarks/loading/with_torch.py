"""PyTorch: `torch.load`, assigned to a model on the meta device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.loading import Problem


def model_of(problem: Problem) -> nn.Sequential:
    with torch.device("meta"):
        return nn.Sequential(
            *[nn.Linear(problem.units, problem.units) for _ in range(problem.layers)]
        )


def save(problem: Problem, path: str) -> None:
    state = {}
    for index, (kernel, bias) in enumerate(problem.weights()):
        state |= {
            f"{index}.weight": torch.from_numpy(kernel),
            f"{index}.bias": torch.from_numpy(bias),
        }
    torch.save(state, path)


def load(problem: Problem) -> Callable[[], Any]:
    path = problem.file(__name__, problem.name("pt"))

    def run() -> Any:
        model = model_of(problem)
        model.load_state_dict(torch.load(path), assign=True)
        ends = model[0].weight, model[-1].weight
        return problem.result(*(kernel.detach().numpy() for kernel in ends))

    return run
