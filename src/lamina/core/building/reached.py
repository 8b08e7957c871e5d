"""A layer that a call reached, and the `build` that its class defines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lamina.core.sites import Site
from lamina.core.specs.spec import Arguments
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree

__all__ = ["Reached", "is_unbuilt", "own_build", "unbuilt"]


@dataclass
class Reached:
    """A layer that a call reached: with what, from where, and what its `build` declared."""

    layer: Tracked
    method: str
    inputs: Arguments
    called_at: Site
    outputs: Any = None
    declared: list[Variable] = field(default_factory=list[Variable])
    fits: list[Arguments] = field(default_factory=list["Arguments"])


def own_build(layer: Tracked) -> Callable[..., Any] | None:
    """The `build` that the layer's class defines itself, as written."""
    build = getattr(type(layer), "build", None)
    written = getattr(build, "written", build)
    return None if getattr(written, "is_base", False) else written


def is_unbuilt(layer: Tracked) -> bool:
    """Whether the layer declares weights itself and has not been asked to yet."""
    return layer._lamina.built is None and own_build(layer) is not None


def unbuilt(tree: Tree) -> list[Tracked]:
    """The layers of a tree that have not been asked for the weights that they declare."""
    return [layer for _, layer in tree.layers.values() if is_unbuilt(layer)]
