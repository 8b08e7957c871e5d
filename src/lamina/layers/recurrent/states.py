"""States that users give: as many arrays as there are to be, of the right shapes."""

from __future__ import annotations

from typing import Any

from lamina.core.base.pytrees import flatten, unflatten
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.layers.bases.checks import check_shape

__all__ = ["fitting"]


def fitting(layer: Tracked, given: Any, specs: Any, axes: str) -> Any:
    """The states given, in the structure of the specs; `axes` names those of one array.

    Raises:
        InputError: they are too many or too few, or one has another shape.
    """
    states, _ = flatten(given)
    wanted, structure = flatten(specs)
    if len(states) != len(wanted):
        raise InputError(_miscounted(layer, len(wanted), len(states), axes))
    for state, spec in zip(states, wanted, strict=True):
        check_shape(layer, "a state", state, spec.shape, axes)
    return unflatten(structure, states)


def _miscounted(layer: Tracked, wanted: int, given: int, axes: str) -> str:
    single = wanted == 1
    return explain(
        f"{type(layer).__name__} has {'one state' if single else f'{wanted} states'}.",
        where=f"made at {layer._lamina.made_at}",
        expected=f"an array [{axes}], or a list of one"
        if single
        else f"a list of {wanted} arrays [{axes}]",
        received=f"{given} state{'' if given == 1 else 's'}",
        remedy="Give as many states as return_state=True gives.",
    )
