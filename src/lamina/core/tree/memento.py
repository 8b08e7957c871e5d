"""Copies of what layers, lists and dicts hold, and of whole trees, to put them back."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, cast

from lamina.core.tree.node import EDITION, Tracked, attributes, slot_names
from lamina.core.tree.values import assign_together
from lamina.core.tree.walk import HOLDERS, WALKED, walk

__all__ = ["Memento", "Snapshot", "containers", "put_back", "same_state", "state_of"]


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    """`isinstance` that leaves the type of a value as it is."""
    return isinstance(value, kinds)


class Memento:
    """Shallow copies of layers, lists and dicts, so that they can be put back as they were.

    A state is a dict of attributes for a layer, a copy for a list or a dict.
    """

    def __init__(self) -> None:
        self.states: dict[int, tuple[Any, Any]] = {}

    def add(self, start: Any) -> None:
        """Save `start` and all that is reachable from it and not saved yet."""
        pending = [start]
        while pending:
            value = pending.pop()
            if isinstance(value, tuple):
                inside: Iterable[Any] = cast(tuple[Any, ...], value)
            elif id(value) in self.states:
                continue
            else:
                state = state_of(value)
                self.states[id(value)] = (value, state)
                inside = state if _is(state, (list,)) else state.values()
            pending += [item for item in inside if isinstance(item, HOLDERS)]

    def layers(self) -> list[Tracked]:
        """The layers among what was saved."""
        return [value for value, _ in self.states.values() if isinstance(value, Tracked)]

    def restore(self) -> None:
        for container, state in self.states.values():
            put_back(container, state)

    def copy(self) -> Memento:
        twin = Memento()
        twin.states = dict(self.states)
        return twin


def state_of(value: Any) -> Any:
    if isinstance(value, Tracked):
        return attributes(value)
    return list(cast(list[Any], value)) if isinstance(value, list) else dict(value)


def same_state(left: Any, right: Any) -> bool:
    """Whether two states hold the very same objects in the same order."""
    if len(left) != len(right):
        return False
    if _is(left, (list,)):
        return all(map(operator.is_, left, right))
    return list(left) == list(right) and all(map(operator.is_, left.values(), right.values()))


def put_back(container: Any, state: Any) -> None:
    if same_state(state_of(container), state):
        return
    if _is(container, (list,)):
        container[:] = state
    elif _is(container, (dict,)):
        container.clear()
        container.update(state)
    else:
        slots = {name for name, _ in slot_names(container.__class__)}
        for name in attributes(container):
            object.__delattr__(container, name)
        for name, value in state.items():
            if name in slots:
                object.__setattr__(container, name, value)
            else:
                container.__dict__[name] = value


class Snapshot:
    """A whole tree as it is at one moment: attributes, nodes and, if asked, values.

    Args:
        root: the tree's root.
        values: whether the values of variables and their `trainable` are kept as well; what is
            lent out comes back first.
    """

    def __init__(self, root: Tracked, *, values: bool = False) -> None:
        self.attributes = Memento()
        self.attributes.add(root)
        self.tree = walk(root)
        self._nodes = [
            (layer._lamina, layer._lamina.build_state()) for layer in self.attributes.layers()
        ]
        self._values = [
            (variable, variable.stored() if variable.built else None, variable.trainable)
            for _, variable in (self.tree.variables.values() if values else ())
        ]

    def restore_nodes(self) -> None:
        for node, state in self._nodes:
            node.put_back(state)

    def restore(self) -> None:
        """Put the tree back as it was."""
        self.attributes.restore()
        self.restore_nodes()
        if self._values:
            for variable, _, trainable in self._values:
                variable.trainable = trainable
            assign_together(
                [v for v, _, _ in self._values], [value for _, value, _ in self._values]
            )
            EDITION.advance()


def containers(root: Tracked) -> list[tuple[Any, tuple[Any, ...]]]:
    """What stands in the lists and dicts of a tree: as it changes, and as it is now.

    Those that hold plain data alone are left out; a layer may come to stand in empty ones.
    """
    everything = Memento()
    everything.add(root)
    found: list[tuple[Any, tuple[Any, ...]]] = []
    for value, _ in everything.states.values():
        if _is(value, (list, dict)):
            inside = value.values() if _is(value, (dict,)) else value
            items = tuple(inside)
            if not items or any(isinstance(item, WALKED) for item in items):
                found.append((inside, items))
    return found
