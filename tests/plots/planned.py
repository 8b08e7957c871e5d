"""Calls of plans, written by hand."""

from dataclasses import dataclass
from typing import Any

from lamina import Spec

X = Spec((None, 8))


@dataclass
class Call:
    path: str
    caller: int
    sources: tuple[int, ...] = ()
    results: tuple[int, ...] = ()
    caller_inputs: tuple[int, ...] = ()
    inputs: Any = X
    outputs: Any = X
    layer: str = "Dense"
    method: str = "call"
    input_dims: tuple[tuple[int, ...], ...] = ()


@dataclass
class Layer:
    path: str
    name: str
    layer: str = "Dense"


def chain(names: list[str]) -> list[Call]:
    """Layers in a row."""
    inner = [Call(name, 0, (at,), (at + 1,)) for at, name in enumerate(names)]
    return [Call("", -1, (), (len(names),)), *inner]


def residual(count: int) -> list[Call]:
    """Repeated ``x = x + layer(x)``: every output reaches every later layer."""
    inner = [Call(f"layers.{at}", 0, tuple(range(at + 1)), (at + 1,)) for at in range(count)]
    return [Call("", -1, (), tuple(range(count + 1))), *inner]
