"""The placement that builds use, as the core sees it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any, Protocol, runtime_checkable

import jax

from lamina.core.building import errors
from lamina.core.building.plan import Plan
from lamina.core.tree.node import Tracked
from lamina.core.tree.walk import Tree
from lamina.errors import InputError, explain

__all__ = [
    "PLACEMENTS",
    "Placer",
    "current_placement",
    "is_placed",
    "placement_for",
    "placing",
]


@runtime_checkable
class Placer(Protocol):
    """Decides on which devices each weight of a plan is stored."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *_: object) -> None: ...

    def shardings(self, plan: Plan, prefix: str) -> Mapping[str, jax.sharding.Sharding]:
        """Return the sharding of each weight by its path in the plan.

        Args:
            plan: of a tree.
            prefix: the path of the plan's root in a larger tree; empty if it is the root.

        Raises:
            InputError: the placement does not fit the plan.
        """
        ...

    def rematerializes(self, path: str) -> bool:
        """Return whether the activations of a layer are computed again in the backward pass."""
        ...

    def constrained(self, array: jax.Array, partition: tuple[Any, ...]) -> jax.Array:
        """Return an array of a call, divided over the devices."""
        ...


PLACEMENTS: ContextVar[tuple[Placer, ...]] = ContextVar("lamina_placements", default=())
"""The placements of the `with` blocks that are running, the outermost first."""


def placing(placement: Any) -> AbstractContextManager[Any]:
    """Return the `with` block of an argument `placement`; one without effect for None.

    Raises:
        InputError: it is not a placement.
    """
    if placement is None:
        return nullcontext()
    if isinstance(placement, type) or not isinstance(placement, Placer):
        raise InputError(errors.not_a_placement(placement))
    return placement


def current_placement() -> Placer | None:
    """Return the placement of builds; None for the default device."""
    placements = PLACEMENTS.get()
    return placements[-1] if placements else None


def placement_for(root: Tracked, tree: Tree, moves: bool) -> Placer | None:
    """Return the placement of a tree after a build: that of the `with` block, or its own.

    Args:
        root: the root; until it is built, the `with` block decides.
        tree: its tree.
        moves: whether the `with` block decides also for a root that is built.

    Raises:
        InputError: there is no `with` block, and two layers have different placements.
    """
    placement = current_placement() if moves or root._lamina.built is None else None
    return _placement_in(root, tree) if placement is None else placement


def _placement_in(root: Tracked, tree: Tree) -> Placer | None:
    """Return the placement that the layers of a tree have; None if none has one.

    Raises:
        InputError: two layers have different placements.
    """
    first: tuple[str, Placer] | None = None
    for path, layer in tree.layers.values():
        placement: Placer | None = layer._lamina.placement
        if placement is None:
            continue
        if first is None:
            first = path, placement
        elif placement != first[1]:
            label = type(root).__name__
            names = [name or label for name in (first[0], path)]
            raise InputError(
                explain(
                    f"The layers of {label} have different placements.",
                    where=f"made at {root._lamina.made_at}",
                    expected="one placement for the whole model",
                    received=f"{first[1]!r} for {names[0]}, and {placement!r} for {names[1]}",
                    remedy="Move the whole model: model.build(spec, placement=placement).",
                )
            )
    return None if first is None else first[1]


def is_placed(tree: Tree, placement: Placer | None) -> bool:
    """Return whether all layers of a tree have a placement."""
    return all(layer._lamina.placement == placement for _, layer in tree.layers.values())
