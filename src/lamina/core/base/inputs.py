"""Conversion of the arguments of `call`, and of data, to JAX arrays."""

from __future__ import annotations

from typing import Any, cast

import jax
import numpy as np

from lamina import narrowing
from lamina.core.base.pytrees import are_arrays, as_array, leaves_with_paths, map_tree
from lamina.core.base.sites import site
from lamina.core.base.tables import is_table, table_to_numpy
from lamina.errors import InputError, explain

__all__ = ["as_arguments", "as_inputs", "check_integers"]


def as_inputs(tree: Any, label: str = "The data") -> Any:
    """Convert the NumPy arrays and pandas tables of a pytree to JAX arrays; other leaves are kept.

    Args:
        tree: a pytree.
        label: name of the pytree in errors.

    Raises:
        InputError: an array holds objects or text, or integers that are out of range in JAX.
    """
    if are_arrays(tree):
        return tree

    def as_input(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array):
            return leaf
        if not isinstance(leaf, np.ndarray | np.generic):
            if not is_table(leaf):
                return leaf
            leaf = table_to_numpy(leaf)
        try:
            array = as_array(leaf)
        except InputError:
            check_integers(tree, label)  # its error names the leaf
            raise
        if array is None:
            raise InputError(_not_numbers(label, cast(np.ndarray, leaf)))
        return array

    return map_tree(as_input, tree)


def as_arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any], label: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Convert the arguments of a method by :func:`as_inputs`.

    Args:
        args: positional arguments.
        kwargs: keyword arguments.
        label: name of the method in errors.

    Raises:
        InputError: as :func:`as_inputs`.
    """
    if not kwargs and are_arrays(args):
        return args, kwargs
    return as_inputs(args, label), as_inputs(kwargs, label) if kwargs else kwargs


def check_integers(tree: Any, label: str) -> None:
    """Check that the integers of all NumPy arrays of a pytree are in range in JAX.

    Raises:
        InputError: one is out of range; the error has the label, the key path and the integer.
    """
    for place, leaf in leaves_with_paths(tree):
        what = f"{label}, in {place}," if place else label
        narrowing.check(leaf, what, where=f"called at {site()}")


_KINDS = {
    "O": "objects",
    "S": "bytes",
    "U": "text",
    "M": "dates",
    "m": "time differences",
    "V": "structured records",
}


def _not_numbers(label: str, array: np.ndarray) -> str:
    return explain(
        f"{label} got an array of {_KINDS.get(array.dtype.kind, 'masked numbers')}.",
        where=f"called at {site()}",
        expected="arrays of numbers or bools",
        received=f"dtype {array.dtype}, shape {array.shape}",
        remedy="Convert it to numbers first: map text to ids with layers.StringLookup or "
        "layers.TextVectorization, pad ragged lists, and split a masked array into an array and a "
        "mask.",
    )
