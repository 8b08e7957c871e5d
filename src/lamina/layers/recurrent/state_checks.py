"""Checks of the states that a caller passes: their number and their shapes."""

from __future__ import annotations

from typing import Any

from lamina.core.base.pytrees import flatten, unflatten
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.layers.bases.checks import check_shape

__all__ = ["check_states"]


def check_states(layer: Tracked, states: Any, specs: Any, axes: str) -> Any:
    """Returns the states in the structure of the specs.

    Args:
        layer: the layer that is called.
        states: an array, or any tree of arrays.
        specs: a tree with the shape and dtype of each state.
        axes: names of a state's axes, for the error.

    Raises:
        InputError: the number of states or the shape of one is wrong.
    """
    arrays, _ = flatten(states)
    expected, structure = flatten(specs)
    if len(arrays) != len(expected):
        raise InputError(_wrong_number(layer, len(expected), len(arrays), axes))
    for array, spec in zip(arrays, expected, strict=True):
        check_shape(layer, "a state", array, spec.shape, axes)
    return unflatten(structure, arrays)


def _wrong_number(layer: Tracked, expected: int, received: int, axes: str) -> str:
    single = expected == 1
    return explain(
        f"{type(layer).__name__} has {'one state' if single else f'{expected} states'}.",
        where=f"made at {layer._lamina.made_at}",
        expected=f"an array [{axes}], or a list of one"
        if single
        else f"a list of {expected} arrays [{axes}]",
        received=f"{received} state{'' if received == 1 else 's'}",
        remedy="Pass the states that the layer returns with return_state=True.",
    )
