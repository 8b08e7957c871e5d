"""PyTorch: modules with a fused optimizer, in its two layouts of images."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.convnet import Block, Conv, Problem, has_shortcut
from benchmarks.torch_device import DEVICE
from benchmarks.worker import MissingError


class Same(nn.Module):
    """Pads like ``"same"``: for strides above 1 more behind than in front."""

    def __init__(self, axes: int, size: int, stride: int, value: float = 0.0) -> None:
        super().__init__()
        self.axes, self.size, self.stride, self.value = axes, size, stride, value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pads: list[int] = []
        for points in reversed(x.shape[2:]):
            total = (math.ceil(points / self.stride) - 1) * self.stride + self.size - points
            pads += [max(total, 0) // 2, max(total, 0) - max(total, 0) // 2]
        return nn.functional.pad(x, pads, value=self.value)


class Residual(nn.Module):
    """The sum of a block and its shortcut."""

    def __init__(self, block: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.block, self.shortcut = block, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.relu(self.shortcut(x) + self.block(x))


def model_of(problem: Problem) -> nn.Module:
    axes = problem.axes
    kind, norm = {1: (nn.Conv1d, nn.BatchNorm1d), 2: (nn.Conv2d, nn.BatchNorm2d)}[axes]
    kernels = iter(problem.kernels)

    def convolved(channels: int, conv: Conv) -> nn.Module:
        filters, groups = conv.filters or channels, 1 if conv.filters else channels
        odd = conv.size % 2 == 1 and conv.stride == 1
        layer = kind(
            channels, filters, conv.size, conv.stride,
            padding=conv.size // 2 if odd else 0, groups=groups, bias=False,
        )  # fmt: skip
        kernel = np.moveaxis(next(kernels), (-1, -2), (0, 1) if conv.filters else (1, 0))
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)))
        before = [] if odd else [Same(axes, conv.size, conv.stride)]
        after = [nn.ReLU()] if conv.relu else []
        return nn.Sequential(*before, layer, norm(filters, momentum=0.1), *after)

    modules: list[nn.Module] = []
    channels = problem.inputs.shape[-1]
    for layer in problem.layers:
        match layer:
            case Conv(filters):
                modules.append(convolved(channels, layer))
                channels = filters or channels
            case Block(filters, stride):
                block = nn.Sequential(
                    convolved(channels, Conv(filters, 3, stride)),
                    convolved(filters, Conv(filters, relu=False)),
                )
                changes = has_shortcut(layer, channels)
                shortcut = Conv(filters, 1, stride, relu=False)
                modules.append(
                    Residual(block, convolved(channels, shortcut) if changes else nn.Identity())
                )
                channels = filters
            case _:
                modules += [Same(axes, 3, 2, -math.inf), nn.MaxPool2d(3, 2)]
    mean = nn.AdaptiveAvgPool1d(1) if axes == 1 else nn.AdaptiveAvgPool2d(1)
    head = nn.Linear(channels, problem.classes)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(problem.head.T))
        head.bias.zero_()
    return nn.Sequential(*modules, mean, nn.Flatten(), head).to(DEVICE)


def inputs_of(problem: Problem) -> torch.Tensor:
    first = np.ascontiguousarray(np.moveaxis(problem.inputs, -1, 1))
    return torch.from_numpy(first).to(DEVICE)


def _channels_last(problem: Problem) -> tuple[nn.Module, torch.Tensor]:
    if problem.axes != 2:
        raise MissingError("two spatial axes only")
    layout: Any = torch.channels_last
    return model_of(problem).to(memory_format=layout), inputs_of(problem).to(memory_format=layout)


def _forward(model: nn.Module, x: torch.Tensor) -> Callable[[], Any]:
    model.eval()

    def run() -> Any:
        with torch.inference_mode():
            return model(x)

    return run


def step_of(problem: Problem, model: nn.Module, x: torch.Tensor) -> Callable[[], Any]:
    y = torch.from_numpy(problem.labels).long().to(DEVICE)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, eps=EPSILON, fused=True)

    def run() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return run


def forward(problem: Problem) -> Callable[[], Any]:
    return _forward(model_of(problem), inputs_of(problem))


def channels_last_forward(problem: Problem) -> Callable[[], Any]:
    return _forward(*_channels_last(problem))


def step(problem: Problem) -> Callable[[], Any]:
    return step_of(problem, model_of(problem), inputs_of(problem))


def channels_last_step(problem: Problem) -> Callable[[], Any]:
    return step_of(problem, *_channels_last(problem))
