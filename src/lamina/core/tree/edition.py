"""The version number of all trees in the process, which detects changes without a walk."""

from __future__ import annotations

import itertools
from typing import Protocol

__all__ = ["EDITION"]


class _Versioned(Protocol):
    """The part of a layer's node that has a version."""

    edition: int


class _Edition:
    """The version number of all trees in the process, which compiled functions compare.

    It replaces a walk over the tree in each call. It increases when a layer, a variable or a
    container of them is assigned to an attribute, and when layers are frozen or built, but not when
    a list changes. Each node keeps the number of its last change, to recognize changes of other
    trees.
    """

    __slots__ = ("current", "number")

    def __init__(self) -> None:
        self.current = 0
        self.number = itertools.count(1)

    def advance(self, *nodes: _Versioned) -> None:
        """Increase the version number, also that of some layers."""
        self.current = next(self.number)
        for node in nodes:
            node.edition = self.current


EDITION = _Edition()
"""The version number of the process."""
