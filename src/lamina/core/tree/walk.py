"""Tracking: a walk from the root layer through attributes, lists, tuples and dicts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from lamina.core.tree.node import Tracked, attributes
from lamina.core.tree.variable import Variable
from lamina.errors import TrackingError, explain

__all__ = [
    "Tree",
    "children",
    "copy_paths",
    "join",
    "variables_of",
    "walk",
]


def join(prefix: str, name: str) -> str:
    """Append a name to a path."""
    return f"{prefix}.{name}" if prefix else name


@dataclass
class Tree:
    """The layers and variables below a root, each once, in the order of the walk.

    Attributes:
        layers: path and layer, by the layer's identity.
        variables: path and variable, by the variable's identity.
        aliases: the other paths of shared layers and variables, with the first path of each.
        owners: the layer that holds a variable, by the variable's identity.
        copied: the number of copies that a layer stands for, by its path.
    """

    layers: dict[int, tuple[str, Tracked]] = field(default_factory=dict[int, tuple[str, Tracked]])
    variables: dict[int, tuple[str, Variable]] = field(
        default_factory=dict[int, tuple[str, Variable]]
    )
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    owners: dict[int, Tracked] = field(default_factory=dict[int, Tracked])
    copied: dict[str, int] = field(default_factory=dict[str, int])

    def copy(self) -> Tree:
        """Return a copy that is independent of this one."""
        return Tree(*(part.copy() for part in vars(self).values()))

    def path(self, item: Tracked | Variable) -> str:
        """Return the path of a layer or variable; its class name if it is not in the tree."""
        found = self.layers.get(id(item)) or self.variables.get(id(item))
        return type(item).__name__ if found is None else found[0]

    def copies_of(self, path: str) -> dict[str, int]:
        """Return the paths at or above a path whose layers stand for copies, with their numbers."""
        found = self.copied.items()
        return {p: n for p, n in found if path == p or path.startswith(f"{p}.")} if found else {}

    def by_path(self) -> dict[str, Variable]:
        """Return the variables by path."""
        return dict(self.variables.values())

    def all_aliases(self) -> dict[str, str]:
        """Return all other paths of layers and variables, also inner ones, with the first paths."""
        found = dict(self.aliases)
        below = self._below() if self.aliases else {}
        for alias, path in self._places():
            for inner in below.get(path, ()):
                found[alias + inner[len(path) :]] = inner
        return found

    def count_aliases(self) -> int:
        """Return an upper bound of the size of :meth:`all_aliases`, without computing it."""
        below = self._below() if self.aliases else {}
        return sum(1 + len(below.get(path, ())) for _, path in self._places())

    def _places(self) -> list[tuple[str, str]]:
        """Return the aliases without references of a child to its parent."""
        places = self.aliases.items()
        return [(a, path) for a, path in places if path and not a.startswith(path + ".")]

    def _below(self) -> dict[str, list[str]]:
        """Return the paths of the variables below each path that has an alias."""
        found: dict[str, list[str]] = {path: [] for path in self.aliases.values()}
        for path, _ in self.variables.values():
            above = path.rpartition(".")[0]
            while above:
                if above in found:
                    found[above].append(path)
                above = above.rpartition(".")[0]
        return found


class _Place(NamedTuple):
    """A value that the walk visits.

    Attributes:
        path: its path.
        value: a layer, variable, list, tuple or dict.
        owner: the layer that holds it; None for the root.
        containers: the identities of the lists, tuples and dicts between owner and value.
        problem: why its path is invalid; None if it is valid.
    """

    path: str
    value: Any
    owner: Tracked | None
    containers: tuple[int, ...] = ()
    problem: str | None = None


def _entries(layer: Tracked) -> Iterable[tuple[str, Any]]:
    """Return the attributes of a layer, and by name the weights that no attribute holds."""
    held = attributes(layer)
    node = layer._lamina
    named = [
        v for v in (*node.loose, *node.declared) if not v.attached and v.given_name is not None
    ]
    if not named:
        return held.items()
    seen = {id(value) for value in held.values() if isinstance(value, Variable)}
    return [*held.items(), *((str(v.given_name), v) for v in named if id(v) not in seen)]


def _key_problem(key: Any, keys: Iterable[Any]) -> str | None:
    name = str(key)
    if "." in name:
        return f"the key {key!r} contains a dot, the separator of paths"
    if sum(str(other) == name for other in keys) > 1:
        return f"two keys are {name!r} as str"
    return None


_CONTAINERS = (list, tuple, dict)
HOLDERS = (Tracked, *_CONTAINERS)
WALKED = (Variable, *HOLDERS)


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds)


def _inside(place: _Place) -> list[_Place]:
    """Return the items of a layer or container that the walk visits, in order."""
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
    """Walk over the layers and variables of a root, in the order of attributes.

    Args:
        root: the root layer.
        into: a tree to extend; None (default) for a new one.
        start: with `into`, the value of an attribute of `root` to walk from.
        path: with `into`, the path of `start`.

    Raises:
        TrackingError: a dict with layers has keys that make paths ambiguous.
    """
    tree = into or Tree()
    first = root if into is None else start
    if not isinstance(first, WALKED):
        return tree
    if isinstance(first, Variable) and id(first) not in tree.variables:  # the most frequent case
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
        f"The path {place.path!r} of a layer in a dict of {type(root).__name__} is not valid: "
        f"{place.problem}.",
        where=f"made at {root._lamina.made_at}",
        expected="keys that are distinct as str and contain no dot",
        received=place.problem or "",
        remedy="Rename the key.",
    )


def copy_paths(path: str, copies: dict[str, int]) -> list[str]:
    """Return the paths that the copies of a layer or variable would have in lists.

    Args:
        path: its path.
        copies: the numbers of copies, by the paths of the layers that stand for them, outermost
            first.

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


def _held(layer: Tracked) -> Iterator[_Place]:
    """Yield the layers and variables directly below a layer, through its containers."""
    pending = list(reversed(_inside(_Place("", layer, None))))
    while pending:
        place = pending.pop()
        if not _is(place.value, _CONTAINERS):
            yield place
        elif id(place.value) not in place.containers:
            pending.extend(reversed(_inside(place)))


def children(layer: Tracked) -> list[tuple[str, Tracked]]:
    """Return the layers directly below a layer, with their names."""
    found: dict[int, tuple[str, Tracked]] = {}
    for place in _held(layer):
        if isinstance(place.value, Tracked) and place.value is not layer:
            found.setdefault(id(place.value), (place.path, place.value))
    return list(found.values())


def variables_of(layer: Tracked) -> list[Variable]:
    """Return the variables that a layer holds itself."""
    return [place.value for place in _held(layer) if isinstance(place.value, Variable)]
