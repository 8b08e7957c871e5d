"""The facts about a tree of layers that reports show."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import math
import os
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

from lamina.core.base.sites import Site, site
from lamina.core.building.request import Request
from lamina.core.building.transaction import frozen_variables, make_plan
from lamina.core.running.scope import current
from lamina.core.specs.signature import Method, method_of
from lamina.core.specs.spec import Spec, map_specs
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, own_build, walk
from lamina.errors import LaminaError

__all__ = [
    "Facts",
    "count",
    "declares",
    "inputs_text",
    "needed_inputs",
    "parent_of",
    "place",
    "remedy",
    "size_text",
    "source_of",
    "specs_text",
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
        every = sum(variable.size for variable in self.variables)
        still = sum(v.size for v in self.variables if id(v) in self.frozen)
        nbytes = sum(variable.nbytes for variable in self.variables)
        head = f"{count(every, 'parameter')} ({size_text(nbytes)})"
        return f"{head}: {every - still:,} trainable, {still:,} not trainable"

    def unbuilt(self) -> list[tuple[str, Tracked]]:
        """The unbuilt layers below the root, without those inside another unbuilt layer."""
        paths = [(p, layer) for p, layer in self.tree.layers.values() if p and not _built(layer)]
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
        return "Give the class a call method."
    shapes = "shape" if len(needed) == 1 else ", ".join(f"{name}=shape" for name in needed)
    return f"Call it on arrays, or build({shapes})."


def _inputs(method: Method) -> tuple[list[str], list[str]]:
    """The names of the required inputs, and of the optional ones."""
    parameters = list(method.signature.parameters.values())
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    return needed, [p.name for p in parameters if p.default is not p.empty]


def inputs_text(layer: Tracked) -> str:
    """Describe the inputs that a layer was built for.

    Args:
        layer: a layer.

    Returns:
        The specs by name, as text; empty if the layer is not built.
    """
    built = layer._lamina.built
    if built is None:
        return ""
    try:
        named = method_of(type(layer), built.method).bind(built.inputs.args, built.inputs.kwargs)
    except LaminaError:
        return str(built.inputs)
    given = [f"{name}: {specs_text(value)}" for name, value in named.items() if value is not None]
    return ", ".join(given) or "nothing"


def specs_text(tree: Any) -> str:
    """Format specs, and containers of specs, in one line.

    Args:
        tree: specs, and lists, tuples and dicts of them.

    Returns:
        The text.
    """
    if isinstance(tree, Spec):
        return str(tree)
    if isinstance(tree, dict | list | tuple):
        words = map_specs(_Words, tree)
        return repr(words)
    return repr(tree)


class _Words(Spec):
    """A spec whose repr is its short text, for use in lists and dicts."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec.shape, spec.dtype)

    def __repr__(self) -> str:
        return str(self)


def source_of(kind: type) -> str:
    """Return where a class is defined.

    Args:
        kind: a class.

    Returns:
        File and line; or the module if there is no source.
    """
    found = _source_site(kind)
    return f"{kind.__module__} (source not available)" if found is None else place(found)


@functools.lru_cache(256)
def _source_site(kind: type) -> Site | None:
    try:
        return Site(str(inspect.getsourcefile(kind)), inspect.getsourcelines(kind)[1])
    except (OSError, TypeError):
        return None


def place(at: Site) -> str:
    """Format a line of a file, relative to the working directory if the file is below it.

    Args:
        at: file and line.

    Returns:
        The text ``file:line``.
    """
    try:
        relative = os.path.relpath(at.file)
    except ValueError:  # on another drive
        return str(at)
    return (
        str(at) if relative.startswith("..") or at.file.startswith("<") else f"{relative}:{at.line}"
    )


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


def count(number: int, noun: str) -> str:
    """Format a number with a noun in the right number.

    Args:
        number: a non-negative integer.
        noun: the noun in the singular.

    Returns:
        The text.

    >>> count(1, "layer"), count(1200, "parameter")
    ('1 layer', '1,200 parameters')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size_text(nbytes: int) -> str:
    """Format a number of bytes in bytes, KiB, MiB, GiB or TiB.

    Args:
        nbytes: a non-negative integer.

    Returns:
        The text.

    >>> size_text(407080)
    '397.5 KiB'
    """
    power = min(int(math.log(max(nbytes, 1), 1024)), 4)
    if power == 0:
        return count(nbytes, "byte")
    return f"{nbytes / 1024**power:,.1f} {('KiB', 'MiB', 'GiB', 'TiB')[power - 1]}"


def declares(layer: Tracked) -> bool:
    """Check whether a layer's class defines a `build` method.

    Args:
        layer: a layer.

    Returns:
        Whether it does.
    """
    return own_build(layer) is not None
