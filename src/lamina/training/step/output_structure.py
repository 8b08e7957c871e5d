"""The structure of a model's outputs, and values given for each output, as in `compile`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, TypeAlias, cast

from lamina.errors import InputError, explain, nearest

__all__ = [
    "OutputPath",
    "Place",
    "by_output",
    "children_of",
    "entries_of",
    "parts_of",
    "places_of",
    "same_structure",
]

OutputPath: TypeAlias = tuple[str | int, ...]
"""The keys and indices that lead to one output; empty for the only output."""


class _Field(str):
    """The name of a field of a named tuple, which is a key like that of a dict."""


class Place(NamedTuple):
    """The place of one output in the structure of all outputs.

    Attributes:
        path: the keys and indices that lead to it.
        own: the name of the layer that gives it; None if unknown.
        value: the output itself.
    """

    path: OutputPath
    own: str | None
    value: Any

    @property
    def key(self) -> str:
        """The name of the output: its own in a list or tuple, else its key; empty for the only."""
        if not self.path:
            return ""
        *start, last = self.path
        if isinstance(last, int | _Field) and self.own is not None:
            last = self.own
        elif isinstance(last, int):
            last = f"output_{last}"
        return "/".join(map(str, (*start, last)))


def places_of(outputs: Any, names: Any = None) -> list[Place]:
    """List the outputs in the order of their structure; dicts are sorted by key.

    Args:
        outputs: one output, or nested lists, tuples and dicts of them.
        names: the name of each output, in the structure of the outputs; None if unknown.

    >>> [place.key for place in places_of({"b": 1, "a": [2, 3]}, {"b": "x", "a": ["y", "z"]})]
    ['a/y', 'a/z', 'b']
    """
    found = entries_of(outputs)
    own = [name for _, name in entries_of(names)]
    if len(own) != len(found):
        own = [None] * len(found)
    return [Place(path, name, value) for (path, value), name in zip(found, own, strict=True)]


def by_output(what: str, values: Any, outputs: Any, names: Any = None, each: bool = False) -> Any:
    """Return a list with the value of each output; None where none is given.

    Args:
        what: the values, in words, for errors.
        values: in the structure of the outputs, where keys may be left out; or a list in their
            order; or a dict by the names of the outputs.
        outputs: one output, or nested lists, tuples and dicts of them.
        names: the name of each output, in the structure of the outputs; None if unknown.
        each: whether a value for a list or dict of outputs is the value of each.

    Raises:
        InputError: there is an unknown name, or another number of values.

    >>> by_output("labels", {"b": 5}, {"a": 1, "b": 2})
    [None, 5]
    """
    places = places_of(outputs, names)
    if values is None:
        return [None] * len(places)
    found = None
    if places and places[0].path:
        found = _matched(values, outputs, each)
    elif children_of(values) is None:
        found = [values]
    if found is None and len(places) == 1:
        found = _of_only(values, places[0])
    if found is None and isinstance(values, Mapping):
        found = _by_name(cast("Mapping[str, Any]", values), places)
    if found is None and _is_list(values) and len(cast(Any, values)) == len(places):
        found = list(cast("Sequence[Any]", values))
    return _refuse(what, values, places) if found is None else found


def same_structure(one: Any, other: Any) -> bool:
    """Return whether two nested values have the same keys and lengths."""
    return [path for path, _ in entries_of(one)] == [path for path, _ in entries_of(other)]


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and not hasattr(cast(Any, value), "_asdict")


def children_of(tree: Any) -> dict[str | int, Any] | None:
    """Return the entries of a list, tuple or dict; None for one output."""
    if hasattr(tree, "_asdict"):
        return {_Field(name): value for name, value in tree._asdict().items()}
    if isinstance(tree, Mapping):
        items = cast("Mapping[str, Any]", tree)
        return {key: items[key] for key in sorted(items)}
    if isinstance(tree, list | tuple):
        return dict(enumerate(cast("Sequence[Any]", tree)))
    return None


def parts_of(values: Any, outputs: Any) -> dict[str | int, Any] | None:
    """Return the entries of a list, tuple or dict, by the fields of `outputs` if it has such."""
    given = children_of(values)
    fields = children_of(outputs) if hasattr(outputs, "_asdict") and _is_list(values) else None
    if given is None or fields is None or len(given) != len(fields):
        return given
    return dict(zip(fields, given.values(), strict=True))


def entries_of(tree: Any, path: OutputPath = ()) -> list[tuple[OutputPath, Any]]:
    """Return the entries of nested lists, tuples and dicts that are none, each with its path."""
    children = children_of(tree)
    if children is None:
        return [(path, tree)]
    return [leaf for key, child in children.items() for leaf in entries_of(child, (*path, key))]


def _matched(values: Any, outputs: Any, each: bool) -> list[Any] | None:
    """Return a value for each output if the values have the structure of the outputs."""
    children = children_of(outputs)
    if children is None:
        return [values]
    given = parts_of(values, outputs)
    if values is None or (given is None and each):
        return [values] * len(entries_of(outputs))
    if given is None or not given.keys() <= children.keys():
        return None
    if isinstance(values, list | tuple) and len(given) != len(children):
        return None
    parts = [_matched(given.get(key), child, each) for key, child in children.items()]
    return None if None in parts else [value for part in parts for value in cast(Any, part)]


def _of_only(values: Any, place: Place) -> list[Any] | None:
    """Return the value in a list or dict of one entry, if its key may be the only output's."""
    entries = list((children_of(values) or {}).items())
    if len(entries) != 1:
        return None
    ((key, value),) = entries
    return [value] if isinstance(key, int) or place.own in (None, key) else None


def _by_name(values: Mapping[str, Any], places: list[Place]) -> list[Any] | None:
    indices = {place.own: index for index, place in enumerate(places) if place.own}
    indices |= {place.key: index for index, place in enumerate(places)}
    if not values.keys() <= indices.keys():
        return None
    found: list[Any] = [None] * len(places)
    for name, value in values.items():
        found[indices[name]] = value
    return found


def _refuse(what: str, values: Any, places: list[Place]) -> NoReturn:
    names = [place.key or place.own or "output" for place in places]
    if isinstance(values, Mapping):
        own = [place.own for place in places]
        unknown = [name for name in cast("Mapping[str, Any]", values) if name not in names + own]
        if unknown:
            raise InputError(
                explain(
                    f"There are {what} for an unknown output.",
                    expected=", ".join(names),
                    received=repr(unknown[0]),
                    remedy=nearest(str(unknown[0]), names),
                )
            )
    count = len(cast(Any, values)) if isinstance(values, list | tuple | Mapping) else 1
    raise InputError(
        explain(
            f"The {what} cannot be assigned to outputs.",
            expected=f"a dict by name, or a list for {', '.join(names)}",
            received=f"{count} for {len(names)} outputs",
            remedy=f"Pass a dict: {{{names[0]!r}: ...}}.",
        )
    )
