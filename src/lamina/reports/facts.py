"""What reports tell of a tree, gathered once."""

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
    "awaited",
    "count",
    "declares",
    "inputs_text",
    "parent_of",
    "place",
    "remedy",
    "size_text",
    "source_of",
    "specs_text",
]


@dataclass
class Facts:
    """A tree as reports see it.

    Attributes:
        root: of the tree.
        tree: its layers and variables, by path.
        frozen: the identities of variables that do not train.
        own: the variables of each layer, by the layer's identity, with their names in it.
        aliases: other paths of shared layers and variables.
    """

    root: Tracked
    tree: Tree
    frozen: set[int]
    own: dict[int, list[tuple[str, Variable]]]
    aliases: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, root: Tracked) -> Facts:
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
        return [variable for _, variable in self.tree.variables.values()]

    @property
    def built(self) -> bool:
        return any(layer._lamina.built is not None for _, layer in self.tree.layers.values())

    def totals(self) -> str:
        """The number of parameters, their bytes, and how many of them train."""
        every = sum(variable.size for variable in self.variables)
        still = sum(v.size for v in self.variables if id(v) in self.frozen)
        nbytes = sum(variable.nbytes for variable in self.variables)
        head = f"{count(every, 'parameter')} ({size_text(nbytes)})"
        return f"{head}: {every - still:,} trainable, {still:,} not trainable"

    def unbuilt(self) -> list[tuple[str, Tracked]]:
        """The layers below the root that are not built, topmost only."""
        paths = [(p, layer) for p, layer in self.tree.layers.values() if p and not _built(layer)]
        names = [path for path, _ in paths]
        return [
            (path, layer)
            for path, layer in paths
            if not any(path.startswith(other + ".") for other in names)
        ]

    def replanned(self) -> tuple[list[str], list[str], list[str]]:
        """What no call reaches, what is used from outside, and notes: by planning anew."""
        built = self.root._lamina.built
        unused: list[set[str]] = []
        external: list[str] = []
        notes: list[str] = []
        if built is None or current() is not None:
            return [], [], []
        for method, specs in built.entries.items():
            try:
                mode = method_of(type(self.root), method).training_default
                with contextlib.redirect_stdout(io.StringIO()):  # what user code prints again
                    plan = make_plan(Request(self.root, method, specs, mode, site()))
            except Exception as error:
                notes.append(f"{method} cannot be planned anew: {str(error).splitlines()[0]}")
                continue
            unused.append(set(plan.unused))
            external += [name for name in plan.external if name not in external]
            notes += [f"{method} fails {note}" for note in plan.notes]
        paths = [path for path, _ in self.tree.layers.values()]
        never = set[str]() if not unused else unused[0].intersection(*unused[1:])
        return [path for path in paths if path in never], external, notes


def _built(layer: Tracked) -> bool:
    return layer._lamina.built is not None


def awaited(layer: Tracked) -> str:
    """The inputs of a layer's call, which would build it."""
    try:
        needed, optional = _inputs(method_of(type(layer), "call"))
    except LaminaError:
        return "a call method, which its class has not"
    names = ", ".join(needed) or "a call"
    return f"{names} (and may take {', '.join(optional)})" if optional else names


def remedy(layer: Tracked) -> str:
    """How to build a root."""
    try:
        needed, _ = _inputs(method_of(type(layer), "call"))
    except LaminaError:
        return "Give the class a call method."
    shapes = "shape" if len(needed) == 1 else ", ".join(f"{name}=shape" for name in needed)
    return f"Call it on arrays, or build({shapes})."


def _inputs(method: Method) -> tuple[list[str], list[str]]:
    """The inputs that must be given, and those that may be left out."""
    parameters = list(method.signature.parameters.values())
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    return needed, [p.name for p in parameters if p.default is not p.empty]


def inputs_text(layer: Tracked) -> str:
    """The inputs that a layer was built for, by name."""
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
    """A tree of specs in a line."""
    if isinstance(tree, Spec):
        return str(tree)
    if isinstance(tree, dict | list | tuple):
        words = map_specs(_Words, tree)
        return repr(words)
    return repr(tree)


class _Words(Spec):
    """A spec that reads as its short text, also within lists and dicts."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec.shape, spec.dtype)

    def __repr__(self) -> str:
        return str(self)


def source_of(kind: type) -> str:
    """Where a class is written."""
    found = _source_site(kind)
    return f"{kind.__module__} (source not at hand)" if found is None else place(found)


@functools.lru_cache(256)
def _source_site(kind: type) -> Site | None:
    try:
        return Site(str(inspect.getsourcefile(kind)), inspect.getsourcelines(kind)[1])
    except (OSError, TypeError):
        return None


def place(at: Site) -> str:
    """A line of a file; short where the file is below the working directory."""
    try:
        relative = os.path.relpath(at.file)
    except ValueError:  # on another drive
        return str(at)
    return (
        str(at) if relative.startswith("..") or at.file.startswith("<") else f"{relative}:{at.line}"
    )


def parent_of(path: str, layers: Container[str]) -> str:
    """The path of the layer that holds what stands at a path; the root's is empty."""
    above = path.rpartition(".")[0]
    while above and above not in layers:
        above = above.rpartition(".")[0]
    return above


def count(number: int, noun: str) -> str:
    """A number of things.

    >>> count(1, "layer"), count(1200, "parameter")
    ('1 layer', '1,200 parameters')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size_text(nbytes: int) -> str:
    """Bytes, in the unit that reads best.

    >>> size_text(407080)
    '397.5 KiB'
    """
    power = min(int(math.log(max(nbytes, 1), 1024)), 4)
    if power == 0:
        return count(nbytes, "byte")
    return f"{nbytes / 1024**power:,.1f} {('KiB', 'MiB', 'GiB', 'TiB')[power - 1]}"


def declares(layer: Tracked) -> bool:
    """Whether a layer's class declares weights in a `build` of its own."""
    return own_build(layer) is not None
