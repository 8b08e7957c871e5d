"""Arguments and data on their way into `call`: arrays become JAX's, the rest stays."""

from __future__ import annotations

from typing import Any, cast

import jax
import numpy as np

from lamina import narrowing
from lamina.core.base.pytrees import are_arrays, as_array, leaves_with_paths, map_tree
from lamina.core.base.sites import site
from lamina.errors import InputError, explain

__all__ = ["as_arguments", "as_inputs", "check_integers"]


def as_inputs(tree: Any, label: str = "The data") -> Any:
    """Data as `call` gets it: arrays are JAX's, the rest stays.

    Args:
        tree: of arrays and anything else.
        label: what the tree is called in errors.

    Raises:
        InputError: an array holds objects or text, or integers that JAX cannot keep.
    """
    if are_arrays(tree):
        return tree

    def as_input(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array):
            return leaf
        if not isinstance(leaf, np.ndarray | np.generic):
            return leaf
        try:
            array = as_array(leaf)
        except InputError:
            check_integers(tree, label)  # which names the leaf
            raise
        if array is None:
            raise InputError(_not_numbers(label, cast(np.ndarray, leaf)))
        return array

    return map_tree(as_input, tree)


def as_arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any], label: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a method as it gets them; `label` names the method in errors.

    Raises:
        InputError: as for `as_inputs`.
    """
    if not kwargs and are_arrays(args):
        return args, kwargs
    return as_inputs(args, label), as_inputs(kwargs, label) if kwargs else kwargs


def check_integers(tree: Any, label: str) -> None:
    """See that JAX can keep the integers of all NumPy arrays of a tree.

    Raises:
        InputError: it cannot; the error names the label, the place in the tree and the integer.
    """
    for place, leaf in leaves_with_paths(tree):
        what = f"{label}, in {place}," if place else label
        narrowing.check(leaf, what, where=f"called at {site()}")


_KINDS = {
    "O": "objects",
    "S": "bytes",
    "U": "text",
    "M": "dates",
    "m": "time spans",
    "V": "records",
}


def _not_numbers(label: str, array: np.ndarray) -> str:
    return explain(
        f"{label} got an array of {_KINDS.get(array.dtype.kind, 'masked numbers')}.",
        where=f"called at {site()}",
        expected="arrays of numbers or bools",
        received=f"dtype {array.dtype}, shape {array.shape}",
        remedy="Turn it into numbers first: text into ids by a vocabulary, ragged lists into "
        "padded arrays, masked arrays into an array and a mask.",
    )
