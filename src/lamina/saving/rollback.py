"""A change to a tree that is carried out whole, or leaves no trace."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator
from typing import Any

from lamina.core.interrupts import HeldBack
from lamina.core.tree.node import EDITION, Node, Tracked
from lamina.core.tree.values import assign_together
from lamina.core.tree.walk import Memento, walk

__all__ = ["all_or_nothing"]


@contextlib.contextmanager
def all_or_nothing(root: Tracked) -> Generator[None]:
    """Put a tree back as it was, with its values and what is known of its build, on an error."""
    attributes = Memento()
    attributes.add(root)
    tree = walk(root)
    nodes = [(layer._lamina, _state(layer._lamina)) for _, layer in tree.layers.values()]
    variables = [
        (variable, variable.stored() if variable.built else None, variable.trainable)
        for _, variable in tree.variables.values()
    ]
    try:
        yield
    except BaseException:
        with HeldBack():
            attributes.restore()
            for node, state in nodes:
                node.__setstate__(state)
            for variable, _, trainable in variables:
                variable.trainable = trainable
            assign_together([v for v, _, _ in variables], [value for _, value, _ in variables])
            EDITION.advance()
        raise


def _state(node: Node) -> dict[str, Any]:
    """What a build changes of a node, copied."""
    state = {name: getattr(node, name) for name in Node.__slots__}
    for name in ("declared", "loose", "plans", "known"):
        state[name] = state[name].copy()
    if node.built is not None:
        state["built"] = dataclasses.replace(node.built, entries=dict(node.built.entries))
    return state
