"""The JSON part of a checkpoint: references to arrays, and validation when it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import jax
import numpy as np

from lamina.errors import FileFormatError

__all__ = [
    "Schema",
    "Validator",
    "check",
    "check_arrays",
    "check_fit_progress",
    "check_trainer",
    "insert_arrays",
    "is_bool",
    "is_count",
    "is_dict",
    "is_integer",
    "is_list",
    "is_number",
    "is_text",
    "optional",
    "take_arrays",
]

Validator: TypeAlias = Callable[[Any], bool]
Schema: TypeAlias = Mapping[str, Validator]
"""The required entries of a dict, each with a function that says whether its value is valid."""

_ARRAY = "array"


def take_arrays(value: Any, name: str, arrays: dict[str, Any]) -> Any:
    """Replace the arrays in a tree of dicts and lists by references that JSON can hold.

    Args:
        value: the tree.
        name: of the tree, which begins the names of its arrays.
        arrays: a dict that the arrays are added to.

    >>> arrays = {}
    >>> take_arrays({"best": np.ones(2), "wait": 3}, "about", arrays), list(arrays)
    ({'best': {'array': 'about/best'}, 'wait': 3}, ['about/best'])
    """
    if isinstance(value, Mapping):
        items = cast(Mapping[str, Any], value).items()
        return {key: take_arrays(inner, f"{name}/{key}", arrays) for key, inner in items}
    if isinstance(value, list | tuple):
        listed = enumerate(cast(list[Any], value))
        return [take_arrays(inner, f"{name}/{index}", arrays) for index, inner in listed]
    if not hasattr(value, "dtype"):
        return value
    arrays[name] = value
    return {_ARRAY: name}


def insert_arrays(value: Any, name: str, arrays: dict[str, Any]) -> Any:
    """Undo :func:`take_arrays`; the arrays are removed from `arrays`.

    Raises:
        FileFormatError: a referenced array is missing.
    """
    if isinstance(value, list):
        listed = enumerate(cast(list[Any], value))
        return [insert_arrays(inner, f"{name}/{index}", arrays) for index, inner in listed]
    if not isinstance(value, dict):
        return value
    items = cast(dict[str, Any], value)
    if items == {_ARRAY: name}:
        if name not in arrays:
            raise FileFormatError(f"the array {name!r} is missing")
        return arrays.pop(name)
    return {key: insert_arrays(inner, f"{name}/{key}", arrays) for key, inner in items.items()}


def is_bool(value: Any) -> bool:
    """Return whether the value is a bool."""
    return isinstance(value, bool)


def is_count(value: Any) -> bool:
    """Return whether the value is a non-negative integer of at most 63 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def is_integer(value: Any) -> bool:
    """Return whether the value is an integer of at most 64 bits."""
    integer = isinstance(value, int) and not isinstance(value, bool)
    return integer and -(1 << 63) <= value < 1 << 63


def is_number(value: Any) -> bool:
    """Return whether the value is an integer or a float."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_text(value: Any) -> bool:
    """Return whether the value is a string."""
    return isinstance(value, str)


def is_list(value: Any) -> bool:
    """Return whether the value is a list."""
    return isinstance(value, list)


def is_dict(value: Any) -> bool:
    """Return whether the value is a dict."""
    return isinstance(value, dict)


def optional(validator: Validator) -> Validator:
    """Return a validator that also accepts None."""
    return lambda value: value is None or validator(value)


def check(what: str, value: Any, schema: Schema) -> None:
    """Check that a value is a dict with the entries of a schema; further entries are allowed.

    Args:
        what: the value, in words, for errors.
        value: the value.
        schema: the required entries.

    Raises:
        FileFormatError: it is no dict, or an entry is missing or invalid.

    >>> check("the state", {"wait": 3}, {"wait": is_count})
    """
    if not isinstance(value, dict):
        raise FileFormatError(f"{what} is not a dict")
    entries = cast(dict[str, Any], value)
    for name, is_valid in schema.items():
        if name not in entries:
            raise FileFormatError(f"{what} has no {name!r}")
        if not is_valid(entries[name]):
            raise FileFormatError(f"{name!r} of {what} is invalid: {entries[name]!r:.40}")


def check_trainer(about: Any) -> None:
    """Check the entries that a trainer writes.

    Raises:
        FileFormatError: one is missing or invalid.
    """
    check("'about'", about, {"seed": is_integer, "epochs": is_count, "more": _is_anything})


def check_arrays(arrays: Mapping[str, Any]) -> None:
    """Check that the arrays contain the number of steps, and none without a reference.

    The number itself is checked if the array is read.

    Raises:
        FileFormatError: they do not.
    """
    steps = arrays.get("steps")
    is_count = steps is not None and steps.shape == () and steps.dtype.kind in "iu"
    if not is_count or (isinstance(steps, np.ndarray | jax.Array) and steps < 0):
        raise FileFormatError("the number of steps is missing")
    unused = [name for name in arrays if name.startswith("about/")]
    if unused:
        raise FileFormatError(f"nothing refers to the array {unused[0]!r}")


def check_fit_progress(progress: Any) -> None:
    """Check the entries that `fit` writes; None if `fit` did not write the checkpoint.

    Raises:
        FileFormatError: one is missing or invalid.
    """
    if progress is None:
        return
    schema = {"epoch": is_count, "step": is_count, "stopped": is_bool}
    check("the run", progress, schema | {"position": is_dict, "callbacks": is_list})
    position = {"start": 0, "steps": None} | progress["position"]  # not in older checkpoints
    rows = {"examples": is_count, "batch_size": is_count, "shuffle": is_bool, "start": is_count}
    rows |= {"steps": optional(is_count)}
    batches = {"batches": is_count, "steps": optional(is_count)}
    check("the position in the data", position, rows if "shuffle" in position else batches)
    for entry in progress["callbacks"]:
        if not (is_list(entry) and len(entry) == 2 and is_text(entry[0])):
            raise FileFormatError("the state of a callback is not a pair of a name and a state")


def _is_anything(value: Any) -> bool:
    return True
