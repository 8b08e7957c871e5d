"""The placement that builds use, as the core sees it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Protocol, runtime_checkable

import jax

from lamina.core.building.plan import Plan

__all__ = ["PLACEMENTS", "Placer", "current_placement"]


@runtime_checkable
class Placer(Protocol):
    """Decides on which devices each weight of a plan is stored."""

    def __enter__(self) -> object: ...

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


def current_placement() -> Placer | None:
    """Return the placement of builds; None for the default device."""
    placements = PLACEMENTS.get()
    return placements[-1] if placements else None
