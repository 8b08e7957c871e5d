"""`keras.tree`: nested lists, tuples and dicts. As in Keras, None is a leaf."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import jax

from lamina.compat.keras.missing import missing

_tree: Any = jax.tree
_type: Any = type

__all__ = [
    "MAP_TO_NONE",
    "assert_same_paths",
    "assert_same_structure",
    "flatten",
    "flatten_with_path",
    "is_nested",
    "lists_to_tuples",
    "map_shape_structure",
    "map_structure",
    "map_structure_up_to",
    "pack_sequence_as",
    "traverse",
]


class MAP_TO_NONE:  # noqa: N801 - Keras's name
    """What a function of :func:`traverse` returns for a leaf None."""


def _is_none(value: Any) -> bool:
    return value is None


def is_nested(structure: Any) -> bool:
    """Whether a value is a list, tuple, dict or other node.

    Args:
        structure: any value.

    >>> is_nested([1]), is_nested(None)
    (True, False)
    """
    return _tree.structure(structure, is_leaf=_is_none) != _tree.structure(0)


def flatten(structure: Any) -> list[Any]:
    """The leaves.

    Args:
        structure: any nesting.

    >>> flatten({"b": [1, None], "a": 2})
    [2, 1, None]
    """
    return _tree.leaves(structure, is_leaf=_is_none)


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves with the keys and indices that lead to them.

    Args:
        structure: any nesting.

    >>> flatten_with_path({"a": [5]})
    [(('a', 0), 5)]
    """
    if not is_nested(structure):
        return [((), structure)]

    def is_inside(value: Any) -> bool:
        return value is not structure

    inside = _tree.leaves_with_path(structure, is_leaf=is_inside)
    keys = [_key(path[0]) for path, _ in inside]
    if isinstance(structure, tuple):  # a named one, too
        keys = range(len(inside))
    return [
        ((key, *path), leaf)
        for key, (_, part) in zip(keys, inside, strict=True)
        for path, leaf in flatten_with_path(part)
    ]


def _key(entry: Any) -> Any:
    for name in ("key", "idx", "name"):
        if hasattr(entry, name):
            return getattr(entry, name)
    return entry


def map_structure(func: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """Apply a function to the leaves of structures that are alike.

    Args:
        func: the function of a leaf of each structure.
        *structures: the structures.
        none_is_leaf: whether the function gets None, too. Default True.

    >>> map_structure(lambda x, y: x + y, [1, (2,)], [10, (20,)])
    [11, (22,)]
    """
    is_leaf = _is_none if none_is_leaf else None
    return _in_order(structures[0], _tree.map(func, *structures, is_leaf=is_leaf))


def _in_order(structure: Any, result: Any) -> Any:
    """A result in the form of a structure, with the keys of its dicts in their order."""
    kind = _type(structure)
    if _type(result) is not kind or kind not in (dict, list, tuple):
        return result
    if kind is dict:
        items = cast("dict[Any, Any]", structure).items()
        return {key: _in_order(one, result[key]) for key, one in items}
    inside = [_in_order(*pair) for pair in zip(structure, result, strict=True)]
    return _type(structure)(inside)


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """Apply a function to what stands at the leaves of a structure in others.

    Args:
        shallow_structure: the structure that ends first.
        func: the function.
        *structures: the structures.

    >>> map_structure_up_to([0, 0], len, [[1, 2], [3]])
    [2, 1]
    """
    leaf = _tree.structure(shallow_structure, is_leaf=_is_none)
    parts = [leaf.flatten_up_to(one) for one in structures]
    made = _tree.unflatten(leaf, [func(*given) for given in zip(*parts, strict=True)])
    return _in_order(shallow_structure, made)


def map_shape_structure(func: Callable[..., Any], structure: Any) -> Any:
    """Apply a function to the shapes in a structure: tuples and lists of ints and None.

    Args:
        func: the function of a shape.
        structure: the structure.

    >>> map_shape_structure(len, {"a": (None, 3), "b": [(1,)]})
    {'a': 2, 'b': [1]}
    """

    def is_shape(value: Any) -> bool:
        return isinstance(value, list | tuple) and all(
            one is None or isinstance(one, int) for one in cast("list[Any]", value)
        )

    return _in_order(structure, _tree.map(func, structure, is_leaf=is_shape))


def pack_sequence_as(structure: Any, flat_sequence: Any) -> Any:
    """Put leaves into the form of a structure.

    Args:
        structure: the structure.
        flat_sequence: its new leaves.

    >>> pack_sequence_as({"a": 0, "b": [0]}, [1, 2])
    {'a': 1, 'b': [2]}
    """
    made = _tree.unflatten(_tree.structure(structure, is_leaf=_is_none), flat_sequence)
    return _in_order(structure, made)


def assert_same_structure(a: Any, b: Any, check_types: bool | None = None) -> None:
    """Check that two structures are alike.

    Args:
        a: the one.
        b: the other.
        check_types: has no effect.

    Raises:
        ValueError: they are not.
    """
    one, other = (_tree.structure(value, is_leaf=_is_none) for value in (a, b))
    if one != other:
        raise ValueError(f"The structures differ: {one} and {other}")


def assert_same_paths(a: Any, b: Any) -> None:
    """Check that two structures have leaves at the same paths.

    Args:
        a: the one.
        b: the other.

    Raises:
        ValueError: they have not.
    """
    one, other = ({path for path, _ in flatten_with_path(value)} for value in (a, b))
    if one != other:
        raise ValueError(f"The paths differ: {sorted(map(str, one ^ other))}")


def lists_to_tuples(structure: Any) -> Any:
    """Convert all lists to tuples.

    Args:
        structure: the structure.

    >>> lists_to_tuples([1, [2]])
    (1, (2,))
    """
    if isinstance(structure, list | tuple):
        inside = map(lists_to_tuples, cast("list[Any]", structure))
        make: Any = cast(Any, structure).__class__  # a named tuple remains one
        return make(*inside) if hasattr(make, "_fields") else tuple(inside)
    if isinstance(structure, dict):
        items = cast("dict[Any, Any]", structure).items()
        return {key: lists_to_tuples(value) for key, value in items}
    return structure


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """Apply a function to all nodes; what it returns for one, if not None, takes its place.

    Args:
        func: the function of a node or leaf. It returns `MAP_TO_NONE` for None.
        structure: the structure.
        top_down: whether a node comes before what is in it. Default True.

    >>> traverse(lambda x: -x if isinstance(x, int) else None, [1, (2,)])
    [-1, (-2,)]
    """

    def replaced(value: Any) -> Any:
        found = func(value)
        return (value, False) if found is None else (None if found is MAP_TO_NONE else found, True)

    def inside(value: Any) -> Any:
        return traverse(func, value, top_down)

    def is_inside(value: Any) -> bool:
        return value is not structure

    if top_down:
        found, done = replaced(structure)
        if done or not is_nested(structure):
            return found
    elif not is_nested(structure):
        return replaced(structure)[0]
    inner = _in_order(structure, _tree.map(inside, structure, is_leaf=is_inside))
    return inner if top_down else replaced(inner)[0]


def __getattr__(name: str) -> Any:
    raise missing("keras.tree", name, __all__)
