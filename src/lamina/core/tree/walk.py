"""Tracking: a walk over what is there, from the root through attributes, lists, tuples, dicts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from lamina.core.tree.node import Tracked, attributes
from lamina.core.tree.variable import Variable
from lamina.errors import TrackingError, explain

__all__ = [
    "Tree",
    "children",
    "copy_paths",
    "is_unbuilt",
    "join",
    "own_build",
    "unbuilt",
    "walk",
]


def join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


@dataclass
class Tree:
    """What a walk found: each layer and variable once, by its first path, in order."""

    layers: dict[int, tuple[str, Tracked]] = field(default_factory=dict[int, tuple[str, Tracked]])
    variables: dict[int, tuple[str, Variable]] = field(
        default_factory=dict[int, tuple[str, Variable]]
    )
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    owners: dict[int, Tracked] = field(default_factory=dict[int, Tracked])
    copied: dict[str, int] = field(default_factory=dict[str, int])

    def copy(self) -> Tree:
        return Tree(*(part.copy() for part in vars(self).values()))

    def path(self, item: Tracked | Variable) -> str:
        """Where a layer or variable stands; its class if it does not."""
        found = self.layers.get(id(item)) or self.variables.get(id(item))
        return type(item).__name__ if found is None else found[0]

    def copies_of(self, path: str) -> dict[str, int]:
        """The layers at and above a path that stand for several copies, with their numbers."""
        found = self.copied.items()
        return {p: n for p, n in found if path == p or path.startswith(f"{p}.")} if found else {}

    def by_path(self) -> dict[str, Variable]:
        return dict(self.variables.values())

    def all_aliases(self) -> dict[str, str]:
        """Every other path of a layer or variable, with the path it goes by."""
        found = dict(self.aliases)
        below = self._below() if self.aliases else {}
        for alias, path in self._places():
            for inner in below.get(path, ()):
                found[alias + inner[len(path) :]] = inner
        return found

    def count_aliases(self) -> int:
        """How many there are in :meth:`all_aliases`, or more, without making them."""
        below = self._below() if self.aliases else {}
        return sum(1 + len(below.get(path, ())) for _, path in self._places())

    def _places(self) -> list[tuple[str, str]]:
        """The second places of layers, with the first; not a child's link to its parent."""
        places = self.aliases.items()
        return [(a, path) for a, path in places if path and not a.startswith(path + ".")]

    def _below(self) -> dict[str, list[str]]:
        """The paths of the variables below each path that has a second place."""
        found: dict[str, list[str]] = {path: [] for path in self.aliases.values()}
        for path, _ in self.variables.values():
            above = path.rpartition(".")[0]
            while above:
                if above in found:
                    found[above].append(path)
                above = above.rpartition(".")[0]
        return found


class _Place(NamedTuple):
    path: str
    value: Any
    owner: Tracked | None
    containers: tuple[int, ...] = ()
    problem: str | None = None


def _entries(layer: Tracked) -> Iterable[tuple[str, Any]]:
    """What a layer leads to: its attributes, and by their names weights that none of them holds."""
    held = attributes(layer)
    node = layer._lamina
    named = [v for v in (*node.loose, *node.declared) if not v.attached and v.name is not None]
    if not named:
        return held.items()
    seen = {id(value) for value in held.values() if isinstance(value, Variable)}
    return [*held.items(), *((str(v.name), v) for v in named if id(v) not in seen)]


def _key_problem(key: Any, keys: Iterable[Any]) -> str | None:
    name = str(key)
    if "." in name:
        return f"the key {key!r} holds a dot, which parts the names of a path"
    if sum(str(other) == name for other in keys) > 1:
        return f"two keys read {name!r} as text"
    return None


_CONTAINERS = (list, tuple, dict)
HOLDERS = (Tracked, *_CONTAINERS)
WALKED = (Variable, *HOLDERS)


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds)


def _inside(place: _Place) -> list[_Place]:
    """The places in a layer or container, in order."""
    value = place.value
    if isinstance(value, Tracked):
        return [
            _Place(join(place.path, name), inner, value)
            for name, inner in _entries(value)
            if isinstance(inner, WALKED)
        ]
    chain = (*place.containers, id(value))
    if isinstance(value, dict):
        items = cast(dict[Any, Any], value)
        return [
            _Place(
                join(place.path, str(key)),
                inner,
                place.owner,
                chain,
                place.problem or _key_problem(key, items),
            )
            for key, inner in items.items()
            if isinstance(inner, WALKED)
        ]
    return [
        _Place(join(place.path, str(index)), inner, place.owner, chain, place.problem)
        for index, inner in enumerate(cast(list[Any], value))
        if isinstance(inner, WALKED)
    ]


def walk(root: Tracked, *, into: Tree | None = None, start: Any = None, path: str = "") -> Tree:
    """The tree below `root`, in the order of its attributes.

    With `into`, the walk goes on from `start`, which stands at `path`, an attribute of `root`.
    """
    tree = into or Tree()
    first = root if into is None else start
    if not isinstance(first, WALKED):
        return tree
    if isinstance(first, Variable) and id(first) not in tree.variables:  # most of what is added
        tree.variables[id(first)] = (path, first)
        tree.owners[id(first)] = root
        return tree
    pending = [_Place(path, first, None if into is None else root)]
    while pending:
        place = pending.pop()
        value = place.value
        if _is(value, _CONTAINERS):
            if id(value) not in place.containers:
                pending.extend(reversed(_inside(place)))
            continue
        if place.problem is not None:
            raise TrackingError(_bad_key(root, place))
        found = tree.variables if isinstance(value, Variable) else tree.layers
        if id(value) in found:
            known = found[id(value)][0]  # pyright: ignore[reportUnknownVariableType]
            if known != place.path:
                tree.aliases[place.path] = known
            continue
        if isinstance(value, Variable):
            tree.variables[id(value)] = (place.path, value)
            tree.owners[id(value)] = place.owner or root
        else:
            tree.layers[id(value)] = (place.path, value)
            if value._lamina.copies is not None:
                tree.copied[place.path] = value._lamina.copies
            pending.extend(reversed(_inside(place)))
    return tree


def _bad_key(root: Tracked, place: _Place) -> str:
    return explain(
        f"A layer stands in a dict at {place.path!r} of {type(root).__name__}, but "
        f"{place.problem}.",
        where=f"made at {root._lamina.made_at}",
        expected="keys that differ as text and hold no dot",
        received=place.problem or "",
        remedy="Rename the key.",
    )


def copy_paths(path: str, copies: dict[str, int]) -> list[str]:
    """The paths that the copies of what is at a path would have in lists, outermost first.

    >>> copy_paths("blocks.block.kernel", {"blocks.block": 2})
    ['blocks.0.kernel', 'blocks.1.kernel']
    """
    places = [prefix.count(".") for prefix in copies]
    found: list[str] = []
    for indices in itertools.product(*map(range, copies.values())):
        parts = path.split(".")
        for place, index in zip(places, indices, strict=True):
            parts[place] = str(index)
        found.append(".".join(parts))
    return found


def children(layer: Tracked) -> list[tuple[str, Tracked]]:
    """The layers directly below a layer, with their names."""
    found: dict[int, tuple[str, Tracked]] = {}
    pending = list(reversed(_inside(_Place("", layer, None))))
    while pending:
        place = pending.pop()
        if isinstance(place.value, Tracked):
            if place.value is not layer:
                found.setdefault(id(place.value), (place.path, place.value))
        elif _is(place.value, _CONTAINERS) and id(place.value) not in place.containers:
            pending.extend(reversed(_inside(place)))
    return list(found.values())


def frozen_layers(tree: Tree) -> set[int]:
    """The layers that do not train: their own flag, or that of a layer above them."""
    frozen: set[int] = set()
    for key, (_, layer) in tree.layers.items():
        if not layer._lamina.trainable and key not in frozen:
            frozen |= set(walk(layer).layers)
    return frozen


def frozen_variables(tree: Tree) -> set[int]:
    """The variables that do not train: their own flag, or a frozen layer above them."""
    frozen = {key for key, (_, variable) in tree.variables.items() if not variable.trainable}
    for _, layer in tree.layers.values():
        if not layer._lamina.trainable:
            frozen |= set(walk(layer).variables)
    return frozen


def unused_layers(tree: Tree, read: set[int]) -> list[str]:
    """The paths of layers that are not built, nor any below them, and of which nothing is read."""
    used = {path for path, layer in tree.layers.values() if layer._lamina.built is not None}
    used |= {tree.path(tree.owners[key]) for key in read if key in tree.owners}
    return topmost_without(used, [path for path, _ in tree.layers.values()])


def topmost_without(used: set[str], paths: list[str]) -> list[str]:
    """Of the paths below which nothing is used, those that stand below no other."""
    parts = [path.split(".") for path in used]
    busy = {".".join(part[:end]) for part in parts for end in range(len(part) + 1)}
    idle = [path for path in paths if path not in busy]
    return [path for path in idle if not any(path.startswith(f"{other}.") for other in idle)]


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
