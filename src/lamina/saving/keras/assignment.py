"""Building a model with the arrays of a file, or assigning them to a model that is built."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.jax_internals import outside_traces
from lamina.core.base.lock import LOCK
from lamina.core.building.request import Request
from lamina.core.building.transaction import all_or_nothing, carry_out
from lamina.core.initial.blocks import sharded
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable, store
from lamina.core.tree.walk import Tree, variables_of, walk
from lamina.errors import FileFormatError, explain
from lamina.saving.keras.arrays import StoredArray
from lamina.saving.keras.walk import listed_base, own_variables
from lamina.saving.matching import cast

__all__ = ["Matched", "Matching", "assign_arrays", "names_by_group"]

_MOST_LINES, _LONGEST = 200, 500


@dataclass
class Matched:
    """Which array of a file belongs to which variable.

    Attributes:
        arrays: the name in the file and the array, by the identity of the variable.
        missing: the names in the file of variables that it lacks, by their identity.
        surplus: the names of arrays that belong to no variable.
        kept: the identities of variables that have no array and keep their values.
    """

    arrays: dict[int, tuple[str, StoredArray]] = field(
        default_factory=dict[int, tuple[str, StoredArray]]
    )
    missing: dict[int, str] = field(default_factory=dict[int, str])
    surplus: list[str] = field(default_factory=list[str])
    kept: set[int] = field(default_factory=set[int])


Matching = Callable[[Tracked], Matched]
"""Finds the arrays of the variables of a model, which may be planned and not yet built."""


def assign_arrays(
    root: Tracked, path: str, matching: Matching, request: Request | None, skip: bool = False
) -> None:
    """Give the variables of a model the arrays of a file: all of them, or none.

    Args:
        root: the model.
        path: the path of the file, for errors.
        matching: finds the arrays.
        request: the build to carry out first; None if the model is built.
        skip: whether variables without an array of their shape keep their values, and arrays
            without a variable are left out, with a warning. Default False.

    Raises:
        FileFormatError: arrays are missing, are left over, or have other shapes; the error lists
            all of them. Nothing was changed.
    """
    with LOCK:
        had = [v for _, v in walk(root).variables.values() if v.built]
        with all_or_nothing(root):
            if request is not None and not skip:
                carry_out(
                    request, source=lambda tree: _Values(tree, _checked(root, path, matching))
                )
            elif request is not None:
                carry_out(request)
                had = list(walk(root).by_path().values())
            if had or request is None:
                found = _checked(root, path, matching, skip)
                known = [v for v in had if id(v) in found.arrays]
                store(known, [_placed(v, *found.arrays[id(v)]) for v in known])


class _Values:
    """The values of a tree by path, for a build."""

    def __init__(self, tree: Tree, found: Matched) -> None:
        self._arrays: dict[str, tuple[Variable, str, StoredArray]] = {}
        for key, (path, variable) in tree.variables.items():
            if key in found.arrays:
                self._arrays[path] = (variable, *found.arrays[key])

    def __contains__(self, path: object) -> bool:
        return path in self._arrays

    def read(self, path: str, start: int, stop: int) -> np.ndarray:
        """Read a range of the elements of an array, in the dtype of its variable."""
        variable, name, array = self._arrays[path]
        return cast(array.part(start, stop), variable.weight_dtype, name)


def _add_norms(tree: Tree, found: Matched) -> None:
    """Set the spectral norms of kernels to 1: Keras stores kernels that are divided by them."""
    for _, layer in tree.layers.values():
        if listed_base(layer) == "SpectralNormalization":
            array = StoredArray((), np.dtype("float32"), _ones)
            for one in variables_of(layer):
                if one is not getattr(layer, "sigma", None):
                    continue
                if id(own_variables(layer)[0]) in found.arrays:
                    found.arrays[id(one)] = ("the norm of a kernel", array)
                else:
                    found.kept.add(id(one))


def _ones(start: int, stop: int) -> np.ndarray:
    return np.ones(stop - start, "float32")


def _placed(variable: Variable, name: str, array: StoredArray) -> jax.Array:
    """Read an array onto the devices of its variable, the part of each device by itself."""
    place = variable.stored().sharding
    dtype = variable.weight_dtype

    def part(start: int, stop: int) -> np.ndarray:
        return cast(array.part(start, stop), dtype, name)

    def put() -> jax.Array:
        if place.num_devices == 1:
            return jax.device_put(part(0, array.size).reshape(array.shape), place)
        return sharded(variable.shape, dtype, place, part)

    return outside_traces(put)


def _checked(root: Tracked, path: str, matching: Matching, skip: bool = False) -> Matched:
    """Match, and check that every variable has an array of its shape, and every array a variable.

    Raises:
        FileFormatError: they do not match, and `skip` is False.
    """
    found = matching(root)
    tree = walk(root)
    _add_norms(tree, found)
    lines: list[str] = []
    weights = 0
    for key, (name, variable) in tree.variables.items():
        if not variable.is_weight:
            continue
        weights += 1
        if key in found.kept and key not in found.arrays:
            continue
        if key not in found.arrays:
            where = f" ({found.missing[key]})" if key in found.missing else ""
            lines.append(f"  missing:    {name}{where} {variable.shape}")
            continue
        stored, array = found.arrays[key]
        if array.shape != variable.shape or not _is_kind(array.dtype, variable.weight_dtype):
            lines.append(
                f"  differs:    {name} is {variable.shape} {variable.weight_dtype}, {stored} is "
                f"{array.shape} {array.dtype}"
            )
            del found.arrays[key]
    lines += [f"  unexpected: {name}" for name in found.surplus]
    if not lines:
        return found
    lines = [line.replace("\n", "\\n")[:_LONGEST] for line in lines]  # names are of the file
    more = len(lines) - _MOST_LINES
    shown = lines if more <= 0 else [*lines[:_MOST_LINES], f"  and {more:,} more"]
    kind = type(root).__name__
    if not skip:
        raise FileFormatError(
            explain(
                "\n".join([f"{path!r} does not match {kind}: {_count(len(lines))}.", *shown]),
                where=f"{kind} was made at {root._lamina.made_at}",
                expected=f"an array for each of {weights} weights; nothing was changed",
                received=f"{len(found.arrays)} arrays that fit",
                remedy="Pass the file of this model; or skip_mismatch=True to load what fits.",
            )
        )
    text = explain(
        "\n".join([f"{_count(len(lines))} of {kind} and {path!r} were skipped.", *shown]),
        where=f"{kind} was made at {root._lamina.made_at}",
        received=f"{len(found.arrays)} arrays that fit",
        remedy="The weights that are missing or of another shape keep their values.",
    )
    warnings.warn(text, UserWarning, stacklevel=7)
    return found


def _count(number: int) -> str:
    return f"{number} entr{'y' if number == 1 else 'ies'}"


def _is_kind(one: Any, other: Any) -> bool:
    """Whether arrays of a dtype may be cast to another: only within a kind."""
    kinds = (jnp.floating, jnp.integer, np.bool_, jnp.complexfloating)
    return any(jnp.issubdtype(one, kind) and jnp.issubdtype(other, kind) for kind in kinds)


def names_by_group(arrays: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of arrays by their group, those of numbers in the order of the numbers."""
    found: dict[str, list[str]] = {}
    for name in arrays:
        found.setdefault(name.rpartition("/")[0], []).append(name)
    for names in found.values():
        names.sort(key=_number)
    return found


def _number(name: str) -> tuple[int, str]:
    last = name.rpartition("/")[2]
    return (int(last), "") if last.isascii() and last.isdigit() and len(last) < 10 else (-1, last)
