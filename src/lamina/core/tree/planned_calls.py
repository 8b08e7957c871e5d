"""The planned calls of a root layer, with the weights that each reads."""

from __future__ import annotations

from typing import Any

from lamina.core.specs.spec import Arguments, covers

__all__ = ["PlannedCalls", "Reads"]

Reads = dict[int, int]
"""The number of reads of each variable in a call, by the variable's identity."""

_MOST = 512


class PlannedCalls:
    """A cache of the planned calls of one root layer.

    A plan with unknown dims covers calls of many sizes. The signatures of calls are cached as well,
    at most 512 of them.
    """

    def __init__(self) -> None:
        self._plans: list[tuple[Any, bool, Arguments, Reads]] = []
        self._signatures: dict[Any, Reads] = {}

    def add(self, method: Any, training: bool, specs: Arguments, reads: Reads) -> None:
        """Add a plan of a method in a training mode for some specs."""
        self._plans.append((method, training, specs, reads))

    def remember(self, signature: Any, reads: Reads) -> None:
        """Cache the reads of a call by its signature."""
        if len(self._signatures) >= _MOST:
            self._signatures.clear()
        self._signatures[signature] = reads

    @property
    def called(self) -> bool:
        """Whether a call was cached."""
        return bool(self._signatures)

    def by_signature(self, signature: Any) -> Reads | None:
        """Return the cached reads of a call; None if there are none."""
        return self._signatures.get(signature)

    def covering(self, method: Any, training: bool, specs: Arguments) -> Reads | None:
        """Return the reads of a plan whose specs cover others; None if there is none."""
        for name, mode, planned, reads in self._plans:
            if (name, mode) == (method, training) and covers(planned, specs):
                return reads
        return None

    def copy(self) -> PlannedCalls:
        twin = PlannedCalls()
        twin._plans, twin._signatures = self._plans.copy(), self._signatures.copy()
        return twin
