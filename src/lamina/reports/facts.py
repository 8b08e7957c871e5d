"""The facts about a tree of layers that reports show."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Container
from dataclasses import dataclass, field

from lamina.core.base.sites import site
from lamina.core.building.request import Request
from lamina.core.building.transaction import make_plan
from lamina.core.running.scope import current
from lamina.core.specs.signature import Method, method_of
from lamina.core.tree.build_state import own_build
from lamina.core.tree.node import Tracked
from lamina.core.tree.trainable import frozen_variables
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, walk
from lamina.errors import LaminaError
from lamina.reports.formatting import count, size_text

__all__ = [
    "Facts",
    "declares",
    "needed_inputs",
    "parent_of",
    "remedy",
]


@dataclass
class Facts:
    """A tree of layers as reports see it.

    Attributes:
        root: the root of the tree.
        tree: the layers and variables, by path.
        frozen: the ids of variables that are not trained.
        own: the variables of each layer, by the layer's id, with their names in it.
        aliases: other paths of shared layers and variables.
    """

    root: Tracked
    tree: Tree
    frozen: set[int]
    own: dict[int, list[tuple[str, Variable]]]
    aliases: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, root: Tracked) -> Facts:
        """Collect the facts about a root and its sublayers."""
        tree = walk(root)
        own: dict[int, list[tuple[str, Variable]]] = {}
        for key, (path, variable) in tree.variables.items():
            owner = tree.owners[key]
            start = tree.path(owner)
            name = path[len(start) + 1 :] if start and path.startswith(start + ".") else path
            own.setdefault(id(owner), []).append((name, variable))
        aliases = {a: p for a, p in tree.aliases.items() if p and not a.startswith(p + ".")}
        return cls(root, tree, frozen_variables(tree), own, aliases)

    @property
    def variables(self) -> list[Variable]:
        """All variables of the tree."""
        return [variable for _, variable in self.tree.variables.values()]

    @property
    def built(self) -> bool:
        """Whether any layer of the tree is built."""
        return any(layer._lamina.built is not None for _, layer in self.tree.layers.values())

    def totals(self) -> str:
        """The number of parameters, their bytes, and the number of trainable ones, as text."""
        weights = [variable for variable in self.variables if variable.is_weight]
        every = sum(variable.size for variable in weights)
        still = sum(v.size for v in weights if id(v) in self.frozen)
        nbytes = sum(variable.nbytes for variable in weights)
        head = f"{count(every, 'parameter')} ({size_text(nbytes)})"
        return f"{head}: {every - still:,} trainable, {still:,} not trainable"

    def unbuilt(self) -> list[tuple[str, Tracked]]:
        """The unbuilt layers below the root, without those inside another unbuilt layer."""
        paths = [
            (path, layer)
            for path, layer in self.tree.layers.values()
            if path and not _built(layer) and not layer._lamina_outside
        ]
        names = [path for path, _ in paths]
        return [
            (path, layer)
            for path, layer in paths
            if not any(path.startswith(other + ".") for other in names)
        ]

    def replanned(self) -> tuple[list[str], list[str], list[str]]:
        """Plan every build again: paths that no call reaches, layers from outside, and notes."""
        built = self.root._lamina.built
        unused: list[set[str]] = []
        external: list[str] = []
        notes: list[str] = []
        if built is None or current() is not None:
            return [], [], []
        for method, specs in built.entries.items():
            try:
                mode = method_of(type(self.root), method).training_default
                with contextlib.redirect_stdout(io.StringIO()):  # output of user code
                    plan = make_plan(Request(self.root, method, specs, mode, site()))
            except Exception as error:
                notes.append(f"{method} cannot be planned again: {str(error).splitlines()[0]}")
                continue
            unused.append(set(plan.unused))
            external += [name for name in plan.external if name not in external]
            notes += [f"{method} fails {note}" for note in plan.notes]
        paths = [path for path, _ in self.tree.layers.values()]
        never = set[str]() if not unused else unused[0].intersection(*unused[1:])
        return [path for path in paths if path in never], external, notes


def _built(layer: Tracked) -> bool:
    return layer._lamina.built is not None


def needed_inputs(layer: Tracked) -> str:
    """Describe the inputs of a layer's call, which would build it.

    Args:
        layer: an unbuilt layer.

    Returns:
        The names of the inputs, as text.
    """
    try:
        needed, optional = _inputs(method_of(type(layer), "call"))
    except LaminaError:
        return "a call method, which its class does not define"
    names = ", ".join(needed) or "a call"
    return f"{names} (and optionally {', '.join(optional)})" if optional else names


def remedy(layer: Tracked) -> str:
    """Describe how to build a layer.

    Args:
        layer: an unbuilt layer.

    Returns:
        A sentence.
    """
    try:
        needed, _ = _inputs(method_of(type(layer), "call"))
    except LaminaError:
        return "Define a call method in the class."
    shapes = "shape" if len(needed) == 1 else ", ".join(f"{name}=shape" for name in needed)
    return f"Call it on arrays, or build({shapes})."


def _inputs(method: Method) -> tuple[list[str], list[str]]:
    """The names of the required inputs, and of the optional ones."""
    parameters = list(method.signature.parameters.values())
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    return needed, [p.name for p in parameters if p.default is not p.empty]


def parent_of(path: str, layers: Container[str]) -> str:
    """Return the path of the layer that contains a path.

    Args:
        path: the path of a layer or a weight.
        layers: the paths of all layers.

    Returns:
        The path of the parent; empty for the root.

    >>> parent_of("encoder.dense.kernel", {"", "encoder", "encoder.dense"})
    'encoder.dense'
    """
    above = path.rpartition(".")[0]
    while above and above not in layers:
        above = above.rpartition(".")[0]
    return above


def declares(layer: Tracked) -> bool:
    """Check whether a layer's class defines a `build` method.

    Args:
        layer: a layer.

    Returns:
        Whether it does.
    """
    return own_build(layer) is not None
