"""What a checkpoint says beside its arrays: as JSON holds it, and checked when it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

from lamina.errors import FileFormatError

__all__ = [
    "Kind",
    "Kinds",
    "check",
    "check_about",
    "check_run",
    "check_steps",
    "is_bool",
    "is_count",
    "is_dict",
    "is_integer",
    "is_list",
    "is_number",
    "is_text",
    "optional",
    "with_arrays",
    "without_arrays",
]

Kind = Callable[[Any], bool]
Kinds = Mapping[str, Kind]

_ARRAY = "array"


def without_arrays(value: Any, name: str, arrays: dict[str, Any]) -> Any:
    """What JSON can hold of a value; its arrays are put among others, by where they stand.

    >>> arrays = {}
    >>> without_arrays({"best": np.ones(2), "wait": 3}, "about", arrays), list(arrays)
    ({'best': {'array': 'about/best'}, 'wait': 3}, ['about/best'])
    """
    if isinstance(value, Mapping):
        items = cast(Mapping[str, Any], value).items()
        return {key: without_arrays(inner, f"{name}/{key}", arrays) for key, inner in items}
    if isinstance(value, list | tuple):
        listed = enumerate(cast(list[Any], value))
        return [without_arrays(inner, f"{name}/{index}", arrays) for index, inner in listed]
    if not hasattr(value, "dtype"):
        return value
    arrays[name] = value
    return {_ARRAY: name}


def with_arrays(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """The value that `without_arrays` was given; its arrays are taken from `arrays`.

    Raises:
        FileFormatError: an array is not there.
    """
    if isinstance(value, list):
        listed = enumerate(cast(list[Any], value))
        return [with_arrays(inner, f"{name}/{index}", arrays) for index, inner in listed]
    if not isinstance(value, dict):
        return value
    items = cast(dict[str, Any], value)
    if items == {_ARRAY: name}:
        if name not in arrays:
            raise FileFormatError(f"the array {name!r} is not there")
        return arrays.pop(name)
    return {key: with_arrays(inner, f"{name}/{key}", arrays) for key, inner in items.items()}


def is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def is_count(value: Any) -> bool:
    """Whether it is an integer that is not negative, of at most 63 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def is_integer(value: Any) -> bool:
    """Whether it is an integer of at most 64 bits."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and -(1 << 63) <= value < 1 << 63


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_list(value: Any) -> bool:
    return isinstance(value, list)


def is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def optional(kind: Kind) -> Kind:
    """Whether a value is None or of a kind."""
    return lambda value: value is None or kind(value)


def check(what: str, value: Any, kinds: Kinds) -> None:
    """See that a dict has entries of these names and kinds; it may have more.

    Raises:
        FileFormatError: it is no dict, or an entry is missing or of another kind.

    >>> check("the state", {"wait": 3}, {"wait": is_count})
    """
    if not isinstance(value, dict):
        raise FileFormatError(f"{what} is not a dict")
    entries = cast(dict[str, Any], value)
    for name, kind in kinds.items():
        if name not in entries:
            raise FileFormatError(f"{what} has no {name!r}")
        if not kind(entries[name]):
            kept = repr(entries[name])[:40]
            raise FileFormatError(f"{name!r} of {what} is of the wrong kind: {kept}")


def check_about(about: Any) -> None:
    """See that a checkpoint says where training stood, as a trainer does.

    Raises:
        FileFormatError: it does not.
    """
    kinds = {"seed": is_integer, "epochs": is_count, "more": _any}
    check("'about'", about, kinds)


def check_steps(arrays: Mapping[str, np.ndarray]) -> None:
    """See that the arrays of a checkpoint hold the number of steps, and none of unknown place.

    Raises:
        FileFormatError: they do not.
    """
    steps = arrays.get("steps")
    if steps is None or steps.shape != () or steps.dtype.kind not in "iu" or steps < 0:
        raise FileFormatError("the number of steps is not there")
    left = [name for name in arrays if name.startswith("about/")]
    if left:
        raise FileFormatError(f"the array {left[0]!r} stands nowhere")


def check_run(more: Any) -> None:
    """See that a checkpoint says where a run of `fit` stood, or that no run wrote it.

    Raises:
        FileFormatError: it does not.
    """
    if more is None:
        return
    kinds = {"epoch": is_count, "step": is_count, "stopped": is_bool}
    check("the run", more, kinds | {"place": is_dict, "callbacks": is_list})
    rows = {"examples": is_count, "batch_size": is_count, "shuffle": is_bool}
    batches = {"batches": is_count, "steps": optional(is_count)}
    check("the place in the data", more["place"], rows if "shuffle" in more["place"] else batches)
    for entry in more["callbacks"]:
        if not (is_list(entry) and len(entry) == 2 and is_text(entry[0])):
            raise FileFormatError("the state of a callback is not a name and a state")


def _any(value: Any) -> bool:
    return True
