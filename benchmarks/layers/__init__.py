"""Single layers, forward and forward with backward, compared with Keras."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.layers.table import ENTRIES, Entry, Inner
from benchmarks.worker import MissingError

__all__ = ["Convolution", "Problem", "Recurrent", "made"]


@dataclass(frozen=True)
class Problem:
    """An entry of the table of layers.

    Attributes:
        layer: name of the entry.
        batch: batch size; the one of the entry if None.
    """

    layer: str
    batch: int | None = None

    @cached_property
    def entry(self) -> Entry:
        return ENTRIES[self.layer]

    @cached_property
    def inputs(self) -> list[np.ndarray]:
        """Normal random inputs, or ids if the entry has ``ids``."""
        rng, below = np.random.default_rng(0), self.entry.ids
        shapes = [(self.batch or first, *rest) for first, *rest in self.entry.inputs]
        if below:
            return [rng.integers(0, below, shape, "int32") for shape in shapes]
        return [rng.normal(size=shape).astype("float32") for shape in shapes]

    @property
    def floating(self) -> list[int]:
        """Indices of the inputs with gradients."""
        return [index for index, x in enumerate(self.inputs) if x.dtype == "float32"]

    def arguments(self, inputs: Iterable[Any]) -> list[Any]:
        """The arguments of `call`."""
        return [list(inputs)] if self.entry.listed else list(inputs)


@dataclass(frozen=True)
class Recurrent(Problem):
    """A recurrent layer.

    Attributes:
        time: number of time steps.
        units: number of units and input features.
    """

    batch: int = 32
    time: int = 64
    units: int = 128

    @cached_property
    def entry(self) -> Entry:
        shape = (self.batch, self.time, self.units)
        options = {"units": self.units, "return_sequences": True}
        return Entry(self.layer, (shape,), options)


@dataclass(frozen=True)
class Convolution(Problem):
    """A convolution layer.

    Attributes:
        points: points of the inputs on each axis.
        channels: channels of the inputs.
        filters: number of filters; 0 for a depthwise convolution.
        kernel: size of the kernel on each axis.
        strides, padding, dilation, groups, multiplier, layout: options of the layer.
    """

    batch: int = 16
    points: int = 32
    channels: int = 32
    filters: int = 32
    kernel: int = 3
    strides: int = 1
    padding: str = "same"
    dilation: int = 1
    groups: int = 1
    multiplier: int = 1
    layout: str = "channels_last"

    @cached_property
    def entry(self) -> Entry:
        points = (self.points,) * int(re.findall("[123]D", self.layer)[0][0])
        first = self.layout == "channels_first"
        shape = (self.channels, *points) if first else (*points, self.channels)
        options: dict[str, Any] = {
            "kernel_size": self.kernel,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation,
            "data_format": self.layout,
        }
        if self.filters:
            options["filters"] = self.filters
        if self.groups > 1:
            options["groups"] = self.groups
        if self.multiplier > 1:
            options["depth_multiplier"] = self.multiplier
        return Entry(self.layer, ((self.batch, *shape),), options)


def made(library: ModuleType, entry: Entry | Inner) -> Any:
    """Create the layer of an entry.

    Raises:
        MissingError: the library has no such layer.
    """
    kind = getattr(library, entry.layer, None)
    if kind is None:
        raise MissingError(f"no {entry.layer}")
    options = {
        name: made(library, value) if isinstance(value, Inner) else value
        for name, value in entry.options.items()
    }
    return kind(**options)


def keys(variables: Iterable[tuple[str, tuple[int, ...]]]) -> list[str]:
    """Library-independent keys of weights: name, shape, and index among equal ones.

    >>> keys([("kernel", (2, 3)), ("kernel", (2, 3))])
    ['kernel (2, 3) 0', 'kernel (2, 3) 1']
    """
    seen: dict[str, int] = {}
    found = []
    for name, shape in variables:
        what = f"{name} {tuple(shape)}"
        seen[what] = seen.get(what, -1) + 1
        found.append(f"{what} {seen[what]}")
    return found


def weight(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The value of a weight, derived from its key, so that all libraries use the same values."""
    rng = np.random.default_rng(list(key.encode()))
    sampled = rng.normal(size=shape) / math.sqrt(math.prod(shape[:-1]))
    return (np.abs(sampled) + 0.5 if "variance" in key else sampled).astype("float32")
