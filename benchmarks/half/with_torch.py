"""PyTorch: modules in eager mode, in float32 and under `torch.autocast`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.convnet import with_torch as convnet
from benchmarks.decoder import with_torch as decoder
from benchmarks.half import Problem
from benchmarks.mlp import with_torch as mlp
from benchmarks.torch_device import DEVICE


class Half(nn.Module):
    """Computes a module in bfloat16; its outputs are float32."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(DEVICE.type, dtype=torch.bfloat16):
            return self.module(x).float()


def step(problem: Problem) -> Callable[[], Any]:
    return _step(problem, lambda module: module)


def bfloat16_step(problem: Problem) -> Callable[[], Any]:
    return _step(problem, Half)


def _step(problem: Problem, ready: Callable[[nn.Module], nn.Module]) -> Callable[[], Any]:
    inner = problem.inner
    if problem.model == "conv net":
        return convnet.step_of(inner, ready(convnet.model_of(inner)), convnet.inputs_of(inner))
    if problem.model == "transformer":
        module = decoder.model_of(inner)
        return decoder.step_of(inner, module, ready(module))
    return mlp.trained(inner, ready)
