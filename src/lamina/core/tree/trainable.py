"""The flags `trainable` of layers and variables: assigned downwards, and what they freeze.

A layer or variable whose flag was never assigned follows the layers that hold it: it is frozen if
one of them is. A flag that was assigned decides for itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from lamina.core.tree.edition import EDITION
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, children, variables_of, walk

__all__ = [
    "assign_trainable",
    "copy_flags",
    "frozen_layers",
    "frozen_variables",
    "settle",
]


def assign_trainable(layer: Tracked, value: bool) -> None:
    """Set the flag of a layer, of all layers below it and of their parameters.

    Variables that were declared as not trainable, such as moving averages, keep their flags.
    """
    tree = walk(layer)
    nodes = [inner._lamina for _, inner in tree.layers.values()]
    for node in nodes:
        node.trainable, node.inherits = value, False
    for _, variable in tree.variables.values():
        if variable.is_parameter:
            variable.trainable = value
    EDITION.advance(*nodes)


def frozen_layers(tree: Tree) -> set[int]:
    """Return the identities of the frozen layers: by their own flag, or by one that they follow."""
    return {id(layer) for layer in _frozen(tree)}


def _frozen(tree: Tree) -> list[Tracked]:
    found: dict[int, Tracked] = {}
    pending = [layer for _, layer in tree.layers.values() if not layer._lamina.trainable]
    while pending:
        layer = pending.pop()
        if id(layer) not in found:
            found[id(layer)] = layer
            pending += [child for _, child in children(layer) if child._lamina.inherits]
    return list(found.values())


def frozen_variables(tree: Tree) -> set[int]:
    """Return the identities of the variables that training from the root does not update.

    These are all variables if the root is frozen; else those that are frozen by their own flag or
    by that of a layer which they follow.
    """
    _, root = next(iter(tree.layers.values()))
    if not root._lamina.trainable:
        return set(tree.variables)
    frozen = {key for key, (_, variable) in tree.variables.items() if not variable.trainable}
    return frozen | {id(variable) for variable in _followers(tree)}


def _followers(tree: Tree) -> Iterator[Variable]:
    """Yield the variables that follow a frozen layer."""
    for layer in _frozen(tree):
        yield from (variable for variable in variables_of(layer) if variable.inherits)


def settle(tree: Tree) -> None:
    """Assign False to the flags of the layers and variables that follow a frozen layer.

    Each then reports by itself that it is frozen.
    """
    followers = [variable for variable in _followers(tree) if variable.trainable]
    nodes = [layer._lamina for layer in _frozen(tree) if layer._lamina.trainable]
    for node in nodes:
        node.trainable, node.inherits = False, False
    for variable in followers:
        variable.trainable = False
    EDITION.advance(*nodes)


def copy_flags(source: Tree, target: Tree) -> None:
    """Set the flags of a tree to those of another, for layers and variables of the same paths."""
    layers = dict(source.layers.values())
    variables = source.by_path()
    nodes = [layer._lamina for _, layer in target.layers.values()]
    for path, layer in target.layers.values():
        if path in layers:
            node = layers[path]._lamina
            layer._lamina.trainable, layer._lamina.inherits = node.trainable, node.inherits
    for path, variable in target.variables.values():
        if path in variables:
            variable.flags = variables[path].flags
    EDITION.advance(*nodes)
