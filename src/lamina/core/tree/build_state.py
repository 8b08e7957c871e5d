"""Which layers of a tree are built, and which of them calls use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import Tree

__all__ = ["is_unbuilt", "own_build", "reachable", "topmost_without", "unbuilt", "unused_layers"]


def unused_layers(tree: Tree, read: set[int]) -> list[str]:
    """Return the paths of layers that no call has used: not built, and no variable is read."""
    used = {path for path, layer in tree.layers.values() if layer._lamina.built is not None}
    used |= {tree.path(tree.owners[key]) for key in read if key in tree.owners}
    return topmost_without(used, reachable(tree))


def reachable(tree: Tree) -> list[str]:
    """Return the paths of layers that a program may reach."""
    return [path for path, layer in tree.layers.values() if not layer._lamina_outside]


def topmost_without(used: set[str], paths: list[str]) -> list[str]:
    """Return the topmost paths with no used path at or below them."""
    parts = [path.split(".") for path in used]
    busy = {".".join(part[:end]) for part in parts for end in range(len(part) + 1)}
    idle = [path for path in paths if path not in busy]
    return [path for path in idle if not any(path.startswith(f"{other}.") for other in idle)]


def own_build(layer: Tracked) -> Callable[..., Any] | None:
    """Return the `build` method that the layer's class defines, unwrapped; None if it has none."""
    build = getattr(type(layer), "build", None)
    if build not in _own_builds:
        written = getattr(build, "written", build)
        _own_builds[build] = None if getattr(written, "is_base", False) else written
    return _own_builds[build]


_own_builds: dict[Any, Callable[..., Any] | None] = {}  # by the method as the class has it


def is_unbuilt(layer: Tracked) -> bool:
    """Return whether a layer has a `build` method that has not run yet."""
    return layer._lamina.built is None and own_build(layer) is not None


def unbuilt(tree: Tree) -> list[Tracked]:
    """Return the layers of a tree whose `build` methods have not run yet."""
    return [layer for _, layer in tree.layers.values() if is_unbuilt(layer)]
