"""Shallow copies of layers, lists, dicts and whole trees, to restore them after an error."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, cast

from lamina.core.tree.edition import EDITION
from lamina.core.tree.node import Tracked, attributes, slot_names
from lamina.core.tree.values import assign_together
from lamina.core.tree.walk import HOLDERS, WALKED, walk

__all__ = ["Memento", "Snapshot", "containers", "restore_state", "same_state", "state_of"]


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    """`isinstance` that does not narrow the type for type checkers."""
    return isinstance(value, kinds)


class Memento:
    """Shallow copies of layers, lists and dicts, to restore them.

    The state of a layer is a dict of its attributes; that of a list or a dict is a copy.
    """

    def __init__(self) -> None:
        self.states: dict[int, tuple[Any, Any]] = {}

    def add(self, start: Any) -> None:
        """Save the states of `start` and of everything below it that is not saved yet."""
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
        """Return the layers whose states were saved."""
        return [value for value, _ in self.states.values() if isinstance(value, Tracked)]

    def restore(self) -> None:
        """Restore all saved states."""
        for container, state in self.states.values():
            restore_state(container, state)

    def copy(self) -> Memento:
        """Return a copy that is independent of this one."""
        twin = Memento()
        twin.states = dict(self.states)
        return twin


def state_of(value: Any) -> Any:
    """Return the state of a layer, list or dict."""
    if isinstance(value, Tracked):
        return attributes(value)
    return list(cast(list[Any], value)) if isinstance(value, list) else dict(value)


def same_state(left: Any, right: Any) -> bool:
    """Return whether two states hold identical objects in the same order."""
    if len(left) != len(right):
        return False
    if _is(left, (list,)):
        return all(map(operator.is_, left, right))
    return list(left) == list(right) and all(map(operator.is_, left.values(), right.values()))


def restore_state(container: Any, state: Any) -> None:
    """Restore the state of a layer, list or dict, if it has changed."""
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
    """The state of a whole tree: attributes, nodes and, optionally, values of variables.

    Args:
        root: the root of the tree.
        values: whether the values and the `trainable` flags of variables are saved as well; False
            by default. Arrays that training holds are restored first.
    """

    def __init__(self, root: Tracked, *, values: bool = False) -> None:
        self.attributes = Memento()
        self.attributes.add(root)
        self.tree = walk(root)
        self._nodes = [
            (layer._lamina, layer._lamina.build_state()) for layer in self.attributes.layers()
        ]
        self._values = [
            (variable, variable.stored() if variable.built else None, variable.flags)
            for _, variable in (self.tree.variables.values() if values else ())
        ]

    def restore_nodes(self) -> None:
        """Restore the nodes of all layers."""
        for node, state in self._nodes:
            node.restore(state)

    def restore(self) -> None:
        """Restore the whole tree."""
        self.attributes.restore()
        self.restore_nodes()
        if self._values:
            for variable, _, flags in self._values:
                variable.flags = flags
            assign_together(
                [v for v, _, _ in self._values], [value for _, value, _ in self._values]
            )
            EDITION.advance(*(node for node, _ in self._nodes))


def containers(root: Tracked) -> list[tuple[Any, tuple[Any, ...]]]:
    """Return the lists and dicts of a tree that may hold layers, to detect changes in them.

    Lists and dicts of plain data are left out; empty ones are included.

    Returns:
        For each, the list itself (or the values view of the dict) and a tuple of its items now.
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
