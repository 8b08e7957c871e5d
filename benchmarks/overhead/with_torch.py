"""PyTorch: a `Sequential` in eager mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.overhead import LEARNING_RATE, UNITS, Problem


def model_of(problem: Problem) -> nn.Sequential:
    model = nn.Sequential(*[nn.Linear(UNITS, UNITS, bias=False) for _ in problem.weights])
    with torch.no_grad():
        for layer, kernel in zip(model, problem.weights, strict=True):
            layer.weight.copy_(torch.from_numpy(kernel.T))
    return model


def step(problem: Problem) -> Callable[[], Any]:
    model = model_of(problem)
    x, y = torch.from_numpy(problem.inputs), torch.from_numpy(problem.labels)
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE)

    def run() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return run
