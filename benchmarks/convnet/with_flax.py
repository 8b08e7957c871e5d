"""Flax NNX: `nnx.jit` with `nnx.cached_partial`, as its performance guide recommends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from flax import nnx

from benchmarks.convnet import Block, Conv, Problem, has_shortcut
from benchmarks.mlp.with_flax import cached, trained


class Convolved(nnx.Module):
    """A convolution, BatchNormalization and ReLU."""

    def __init__(self, axes: int, channels: int, conv: Conv, kernels: Iterator[np.ndarray]) -> None:
        rngs, filters = nnx.Rngs(0), conv.filters or channels
        self.conv = nnx.Conv(
            channels,
            filters,
            (conv.size,) * axes,
            conv.stride,
            use_bias=False,
            feature_group_count=1 if conv.filters else channels,
            rngs=rngs,
        )
        kernel = next(kernels)
        self.conv.kernel[...] = kernel if conv.filters else np.moveaxis(kernel, -1, -2)
        # With `use_fast_variance`, its default, the results of few examples differ by 2 %.
        self.norm = nnx.BatchNorm(
            filters, momentum=0.9, epsilon=1e-5, use_fast_variance=False, rngs=rngs
        )
        self.relu = conv.relu

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.norm(self.conv(x))
        return nnx.relu(y) if self.relu else y


class Residual(nnx.Module):
    """The sum of a block and its shortcut."""

    def __init__(self, channels: int, block: Block, kernels: Iterator[np.ndarray]) -> None:
        filters, stride = block
        self.first = Convolved(2, channels, Conv(filters, 3, stride), kernels)
        self.second = Convolved(2, filters, Conv(filters, relu=False), kernels)
        changes = has_shortcut(block, channels)
        shortcut = Conv(filters, 1, stride, relu=False)
        self.shortcut = Convolved(2, channels, shortcut, kernels) if changes else None

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.second(self.first(x))
        return nnx.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class Pool(nnx.Module):
    """A maximum over windows of 3x3 with stride 2."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return nnx.max_pool(x, (3, 3), (2, 2), "SAME")


class Net(nnx.Module):
    def __init__(self, problem: Problem) -> None:
        kernels, channels = iter(problem.kernels), problem.inputs.shape[-1]
        modules: list[nnx.Module] = []
        for layer in problem.layers:
            match layer:
                case Conv(filters):
                    modules.append(Convolved(problem.axes, channels, layer, kernels))
                    channels = filters or channels
                case Block(filters):
                    modules.append(Residual(channels, layer, kernels))
                    channels = filters
                case _:
                    modules.append(Pool())
        self.modules = nnx.List(modules)
        self.head = nnx.Linear(channels, problem.classes, rngs=nnx.Rngs(0))
        self.head.kernel[...] = problem.head

    def __call__(self, x: jax.Array) -> jax.Array:
        for module in self.modules:
            x = module(x)
        return self.head(x.mean(tuple(range(1, x.ndim - 1))))


def forward(problem: Problem) -> Callable[[], Any]:
    model = Net(problem)
    model.eval()
    run = cached(lambda model, x: model(x), model)
    x = jax.device_put(problem.inputs)
    return lambda: run(x).block_until_ready()


def step(problem: Problem) -> Callable[[], Any]:
    model = Net(problem)
    model.train()
    return trained(model, problem.inputs, problem.labels)
