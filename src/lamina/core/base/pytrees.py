"""JAX's functions on trees of arrays, typed for what they take: anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina import narrowing
from lamina.core.base.host_memory import copied
from lamina.core.base.jax_internals import is_staged
from lamina.errors import InputError, explain

__all__ = [
    "PLAIN",
    "are_arrays",
    "as_array",
    "flatten",
    "leaves_of",
    "leaves_with_paths",
    "map_pairs",
    "map_tree",
    "unflatten",
]

PLAIN: set[type] = set()
"""Classes of arrays: to find one here takes a tenth of the time of asking JAX."""

IsLeaf = Callable[[Any], bool] | None


def _tell(error: ValueError) -> None:
    if "Comparator raised" in str(error):
        raise InputError(
            explain(
                "A dict of inputs has keys that no order can be given to.",
                expected="keys of one kind, such as names",
                received="keys of several kinds, such as text and numbers",
                remedy="Name all entries by text: {'left': a, 'right': b}.",
            )
        ) from None


def are_arrays(value: Any) -> bool:
    """Whether it is an array, or a list or a tuple of arrays, which JAX takes apart by itself.

    >>> are_arrays((jnp.ones(2), jnp.ones(3))), are_arrays(np.ones(2))
    (True, False)
    """
    if value.__class__ in (list, tuple):
        return PLAIN.issuperset(map(type, value)) or all(map(_is_array, value))
    return _is_array(value)


def _is_array(value: Any) -> bool:
    found = isinstance(value, jax.Array)
    if found and not isinstance(value, Tracer):
        PLAIN.add(value.__class__)
    return found


def as_array(value: Any, what: str = "An array") -> Any:
    """A value as an array of numbers; None if it is none, or if a mask says that some count not.

    Raises:
        InputError: it has an integer that does not fit into the dtype that JAX keeps it in; the
            error calls the array `what`.
    """
    if isinstance(value, jax.Array):
        return value
    if isinstance(value, np.ma.MaskedArray):
        return None
    narrowing.check(value, what)
    try:
        if not isinstance(value, np.ndarray):
            return jnp.asarray(value)
        array = cast(np.ndarray, value)
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        return jnp.asarray(array) if is_staged() else copied(array)
    except OverflowError as error:  # of Python's integers, which JAX checks by itself
        raise InputError(narrowing.too_wide(what, str(error))) from None
    except (TypeError, ValueError):
        return None


def map_tree(function: Callable[[Any], Any], tree: Any, is_leaf: IsLeaf = None) -> Any:
    """A tree of what `function` gives for each leaf."""
    try:
        return jax.tree.map(function, tree, is_leaf=is_leaf)
    except ValueError as error:
        _tell(error)
        raise


def map_pairs(function: Callable[[Any, Any], Any], tree: Any, other: Any) -> Any:
    """A tree of what `function` gives for the leaves of two trees of one structure."""
    return jax.tree.map(function, tree, other)


def flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], Any]:
    """The leaves of a tree, and its structure."""
    try:
        return cast(Any, jax.tree.flatten)(tree, is_leaf=is_leaf)
    except ValueError as error:
        _tell(error)
        raise


def leaves_of(tree: Any) -> list[Any]:
    """The leaves of a tree."""
    return jax.tree.leaves(tree)


def leaves_with_paths(tree: Any) -> list[tuple[str, Any]]:
    """The leaves of a tree, each with where it stands.

    >>> leaves_with_paths({"a": (1, 2)})
    [("['a'][0]", 1), ("['a'][1]", 2)]
    """
    tools = cast(Any, jax.tree_util)
    return [(tools.keystr(p), leaf) for p, leaf in tools.tree_flatten_with_path(tree)[0]]


def unflatten(structure: Any, leaves: Iterable[Any]) -> Any:
    """The tree of a structure and its leaves."""
    return cast(Any, jax.tree.unflatten)(structure, leaves)
