"""The masks of the arrays of a call."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Generator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.jax_internals import is_within, trace_state
from lamina.core.base.pytrees import flatten, leaves_of, map_tree
from lamina.errors import InputError

__all__ = ["Masks"]


class _Entry(NamedTuple):
    """The mask of one array, and the trace in which it was recorded.

    `removed` masks are those that only the steps of a graph see.
    """

    array: weakref.ref[Any]
    mask: Any
    state: Any
    removed: bool = False


class Masks:
    """The masks of the arrays of a call, by the identity of the array."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}

    @contextlib.contextmanager
    def hidden(self) -> Generator[None]:
        """In a `with` block, hide the masks that were recorded before it."""
        hidden, self._entries = self._entries, {}
        try:
            yield
        finally:
            self._entries = hidden

    def __bool__(self) -> bool:
        return bool(self._entries)

    def of(self, array: Any) -> Any:
        """Return the mask of an array; None if it has none.

        A mask that was recorded in an inner JAX trace, which has ended, is not found.
        """
        entry = self._entries.get(id(array))
        found = entry is not None and entry.array() is array and is_within(entry.state)
        return entry.mask if found and entry is not None else None

    def of_tree(self, tree: Any) -> Any:
        """Return a pytree with the mask of each leaf in its place; None if no leaf has a mask."""
        if isinstance(tree, jax.Array):
            return self.of(tree)
        masks = map_tree(self.of, tree)
        return masks if leaves_of(masks) else None

    def record(self, array: Any, mask: Any, removed: bool = False) -> None:
        """Record the mask of an array; values that are not arrays are ignored."""
        if isinstance(mask, np.ndarray):
            mask = jnp.asarray(mask)
        if isinstance(mask, jax.Array) and isinstance(array, jax.Array):
            self._entries[id(array)] = _Entry(weakref.ref(array), mask, trace_state(), removed)

    def is_removed(self, tree: Any) -> bool:
        """Return whether a layer has removed the mask of one of the arrays of a pytree."""
        entries = [self._entries.get(id(leaf)) for leaf in leaves_of(tree)]
        return any(entry is not None and entry.removed for entry in entries)

    def restore(self, tree: Any, found: Any) -> None:
        """Record masks again that a layer has removed, for the steps of a graph.

        Args:
            tree: the inputs of the layer.
            found: the masks that they had before.
        """
        for leaf, mask in zip(_leaves_or_none(tree), _leaves_or_none(found), strict=True):
            if mask is not None and self.of(leaf) is None:
                self.record(leaf, mask, removed=True)

    def remove(self, tree: Any) -> None:
        """Remove the masks of the arrays of a pytree."""
        for leaf in leaves_of(tree):
            self._entries.pop(id(leaf), None)

    def record_tree(
        self, tree: Any, found: Any, replace: bool = False, removed: bool = False
    ) -> None:
        """Record masks of the leaves of a pytree, in order.

        Args:
            tree: the pytree.
            found: a pytree of masks, with None for no mask; or None.
            replace: whether to replace masks that were recorded before; False by default.
            removed: whether only the steps of a graph see them; False by default.
        """
        if found is None:
            return
        try:
            leaves = zip(_leaves_or_none(tree), _leaves_or_none(found), strict=False)
        except InputError:  # not a pytree of masks, such as another value of Lambda(mask=...)
            return
        for leaf, mask in leaves:
            if replace or not self or self.of(leaf) is None:
                self.record(leaf, mask, removed)


def _leaves_or_none(tree: Any) -> list[Any]:
    """Return the leaves of a pytree, with None as a leaf."""
    return flatten(tree, is_leaf=lambda leaf: leaf is None)[0]
