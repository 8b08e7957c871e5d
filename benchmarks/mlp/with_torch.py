"""PyTorch: a fused optimizer, in eager mode and compiled with CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.mlp import Problem
from benchmarks.torch_device import DEVICE


def model_of(problem: Problem) -> nn.Sequential:
    model = nn.Sequential(
        nn.Linear(problem.features, problem.hidden),
        nn.ReLU(),
        nn.Linear(problem.hidden, problem.hidden),
        nn.ReLU(),
        nn.Linear(problem.hidden, problem.classes),
    )
    with torch.no_grad():
        for layer, (kernel, bias) in zip(model[::2], problem.weights, strict=True):
            layer.weight.copy_(torch.from_numpy(kernel.T))
            layer.bias.copy_(torch.from_numpy(bias))
    return model.to(DEVICE)


def forward(problem: Problem) -> Callable[[], Any]:
    model, x = model_of(problem).eval(), torch.from_numpy(problem.inputs).to(DEVICE)

    def run() -> Any:
        with torch.inference_mode():
            return model(x)

    return run


def step(problem: Problem) -> Callable[[], Any]:
    return trained(problem, lambda model: model)


def compiled_step(problem: Problem) -> Callable[[], Any]:
    return trained(problem, lambda model: torch.compile(model, mode="reduce-overhead"))


def trained(problem: Problem, ready: Callable[[nn.Module], Any]) -> Callable[[], Any]:
    model = model_of(problem)
    call = ready(model)
    x = torch.from_numpy(problem.inputs).to(DEVICE)
    y = torch.from_numpy(problem.labels).long().to(DEVICE)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, eps=EPSILON, fused=True)

    def run() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(call(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return run
