"""Convolutional networks: forward and training step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

__all__ = ["NETS", "Block", "Conv", "Problem"]


class Conv(NamedTuple):
    """A convolution without bias and BatchNormalization, by default with ReLU after it.

    Attributes:
        filters: number of filters; 0 for a depthwise convolution.
        size: size of the kernel on each axis.
        stride: distance between windows on each axis.
        relu: whether ReLU follows.
    """

    filters: int
    size: int = 3
    stride: int = 1
    relu: bool = True


class Block(NamedTuple):
    """A residual block of two 3x3 convolutions; a 1x1 convolution if the shape changes."""

    filters: int
    stride: int = 1


class Pool(NamedTuple):
    """A maximum over windows of 3x3 with stride 2."""


class Net(NamedTuple):
    """A network: the number of spatial axes, the channels of its inputs, and its layers."""

    axes: int
    channels: int
    layers: tuple[Conv | Block | Pool, ...]


NETS = {
    "plain": Net(
        2, 3, (Conv(32), Conv(32), Conv(64, stride=2), Conv(64), Conv(128, stride=2), Conv(128))
    ),
    "ResNet-18": Net(
        2,
        3,
        (
            Conv(64, 7, 2),
            Pool(),
            *(
                Block(filters, stride)
                for filters, first in ((64, 1), (128, 2), (256, 2), (512, 2))
                for stride in (first, 1)
            ),
        ),
    ),
    "depthwise-separable": Net(
        2,
        3,
        (
            Conv(32, stride=2),
            *(
                conv
                for filters, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1))
                for conv in (Conv(0, stride=stride), Conv(filters, 1))
            ),
        ),
    ),
    "1D": Net(1, 16, (Conv(64, 9), Conv(64, 9), Conv(128, 9, 4), Conv(128, 9), Conv(128, 9, 4))),
}


@dataclass(frozen=True)
class Problem:
    """Classification of random inputs by a network, trained with Adam.

    The convolutions are padded like ``"same"``, the mean over all points and a dense layer follow.

    Attributes:
        net: key of NETS.
        batch: batch size.
        size: points of the inputs on each axis.
        classes: number of classes.
    """

    net: str
    batch: int = 64
    size: int = 32
    classes: int = 10

    @property
    def layers(self) -> tuple[Conv | Block | Pool, ...]:
        return NETS[self.net].layers

    @property
    def axes(self) -> int:
        """The number of spatial axes."""
        return NETS[self.net].axes

    def convolutions(self) -> Iterator[tuple[Conv, int]]:
        """All convolutions with the channels of their inputs, in the order of their weights."""
        channels = NETS[self.net].channels
        for layer in self.layers:
            match layer:
                case Conv(filters):
                    yield layer, channels
                    channels = filters or channels
                case Block(filters, stride):
                    yield Conv(filters, 3, stride), channels
                    yield Conv(filters, 3, relu=False), filters
                    if has_shortcut(layer, channels):
                        yield Conv(filters, 1, stride, relu=False), channels
                    channels = filters
                case Pool():
                    pass

    @cached_property
    def kernels(self) -> list[np.ndarray]:
        """``[taps..., channels, filters]`` each; ``[taps..., channels, 1]`` if depthwise."""
        rng = np.random.default_rng(0)
        shapes = [
            (*[conv.size] * self.axes, channels, conv.filters or 1)
            for conv, channels in self.convolutions()
        ]
        return [
            (rng.normal(size=shape) * math.sqrt(2 / math.prod(shape[:-1]))).astype("float32")
            for shape in shapes
        ]

    @cached_property
    def head(self) -> np.ndarray:
        """The kernel of the last layer, ``[channels, classes]``."""
        filters = [conv.filters for conv, _ in self.convolutions() if conv.filters]
        width = filters[-1] if self.net != "ResNet-18" else 512
        rng = np.random.default_rng(3)
        return (rng.normal(size=(width, self.classes)) / math.sqrt(width)).astype("float32")

    @cached_property
    def inputs(self) -> np.ndarray:
        """``[batch, points..., channels]``."""
        shape = (self.batch, *[self.size] * self.axes, NETS[self.net].channels)
        return np.random.default_rng(1).normal(size=shape).astype("float32")

    @cached_property
    def labels(self) -> np.ndarray:
        return np.random.default_rng(2).integers(0, self.classes, self.batch).astype("int32")


def has_shortcut(block: Block, channels: int) -> bool:
    """Whether the shape of a block's outputs differs from that of its inputs."""
    return block.stride > 1 or block.filters != channels
