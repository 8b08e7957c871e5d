"""Indices of arrays as plain data, which files, graphs and compiled programs can hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

__all__ = ["index_from_json", "index_to_json", "read_index", "written_index"]

_SLICE, _ELLIPSIS, _TUPLE = "__slice__", "__ellipsis__", "__tuple__"
_ENDS = ("start", "stop", "step")


def read_index(index: Any) -> Any:
    """Convert an index from plain data.

    Args:
        index: an int, None, a slice, Ellipsis or an array; ``("slice", start, stop, step)`` for a
            slice; ``"..."`` for Ellipsis; or a list or a tuple of them, which may begin with
            ``"tuple"``.

    Returns:
        An index of JAX's arrays; lists become tuples.

    >>> read_index(("tuple", "...", ("slice", 0, 2, None)))
    (Ellipsis, slice(0, 2, None))
    """
    if isinstance(index, str):
        return Ellipsis
    if isinstance(index, tuple | list):
        kind, parts = _kind(cast("list[Any]", index))
        if kind == "slice":
            return slice(*parts)
        return tuple(map(read_index, parts))
    return index


def written_index(index: Any) -> Any:
    """Convert an index to plain data.

    Args:
        index: an index, as :func:`read_index` takes it.

    Returns:
        The index without slices, Ellipsis and lists.

    >>> written_index([Ellipsis, slice(0, 2)])
    ('tuple', '...', ('slice', 0, 2, None))
    """
    if isinstance(index, slice):
        ends = cast(Any, index)
        return ("slice", ends.start, ends.stop, ends.step)
    if index is Ellipsis:
        return "..."
    if isinstance(index, tuple | list):
        kind, parts = _kind(cast("list[Any]", index))
        return ("slice", *parts) if kind == "slice" else ("tuple", *map(written_index, parts))
    return index


def index_from_json(described: Any) -> Any:
    """Convert the slices and ellipses in an index of Keras's JSON to plain data.

    Args:
        described: JSON. Other values, such as references to arrays, stay as they are.

    Returns:
        The index as plain data.

    >>> index_from_json([1, {"class_name": "__ellipsis__", "config": {}}])
    [1, '...']
    """
    if isinstance(described, list):
        return [index_from_json(item) for item in cast("list[Any]", described)]
    if not isinstance(described, dict):
        return described
    fields = cast("dict[str, Any]", described)
    kind = fields.get("class_name")
    if kind == _ELLIPSIS:
        return "..."
    if kind == _SLICE:
        ends = fields["config"]
        return {"class_name": _TUPLE, "items": ["slice", *(ends.get(name) for name in _ENDS)]}
    if kind == _TUPLE:
        return {**fields, "items": index_from_json(fields["items"])}
    if "class_name" in fields:
        return fields
    return {name: index_from_json(item) for name, item in fields.items()}


def index_to_json(index: Any) -> Any:
    """Convert an index of plain data to Keras's JSON: slices and Ellipsis become objects.

    Args:
        index: an index, as :func:`read_index` takes it.

    Returns:
        JSON, but for arrays and references in it, which stay as they are.

    >>> index_to_json(("tuple", 0, "..."))
    [0, {'class_name': '__ellipsis__', 'config': {}}]
    """
    if index is Ellipsis or isinstance(index, str):
        return {"class_name": _ELLIPSIS, "config": {}}
    if isinstance(index, slice):
        return index_to_json(written_index(index))
    if isinstance(index, tuple | list):
        kind, parts = _kind(cast("list[Any]", index))
        if kind == "slice":
            return {"class_name": _SLICE, "config": dict(zip(_ENDS, parts, strict=True))}
        return [index_to_json(part) for part in parts]
    return index


def _kind(index: Sequence[Any]) -> tuple[str, list[Any]]:
    """The mark at the start of a list or tuple of plain data, and the rest."""
    first = index[0] if index else None
    # only text of these two values is a mark: "..." is an element
    if isinstance(first, str) and first in ("slice", "tuple"):
        return first, list(index[1:])
    return "", list(index)
