"""Changes of the layers of a tree, detected without a walk while nothing has changed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from lamina.core.tree.edition import EDITION
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import WALKED, walk

__all__ = ["ChangeDetector", "may_hold_layers"]

_SCALARS = frozenset({type(None), bool, int, float, str})


def may_hold_layers(value: Any) -> bool:
    """Return whether a value is or holds a layer or variable, or is an empty list or dict."""
    if value.__class__ in _SCALARS:  # most attributes of layers
        return False
    if isinstance(value, (Tracked, Variable)):
        return True
    if isinstance(value, dict):
        items: Collection[Any] = cast("dict[Any, Any]", value).values()
    elif isinstance(value, (list, tuple)):
        items = cast("Collection[Any]", value)
    else:
        return False
    empty = not items and not isinstance(value, tuple)  # it may be filled later
    return empty or any(isinstance(item, WALKED) for item in items)


class ChangeDetector:
    """Detects changes of the layers of a tree since its creation.

    It is fast as long as no layer in the process has changed.

    Args:
        root: the root of the tree.
    """

    def __init__(self, root: Tracked) -> None:
        self.edition = EDITION.current
        tree = walk(root)
        self._nodes = [layer._lamina for _, layer in tree.layers.values()]
        self._editions = [node.edition for node in self._nodes]
        self._variables = list(tree.by_path().values())
        self._flags = [variable.flags for variable in self._variables]

    def is_unchanged(self) -> bool:
        """Return whether no layer, and no variable's `trainable`, has changed."""
        current = EDITION.current
        if self.edition != current:
            if [node.edition for node in self._nodes] != self._editions:
                return False
            if [variable.flags for variable in self._variables] != self._flags:
                return False
            self.edition = current
        return True
