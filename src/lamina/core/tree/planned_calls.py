"""The calls of a layer that have been planned, with the weights that each reads."""

from __future__ import annotations

from typing import Any

from lamina.core.specs.spec import Arguments, covers

__all__ = ["PlannedCalls", "Reads"]

Reads = dict[int, int]
"""How often a call reads each variable, by the variable's identity."""

_MOST = 512


class PlannedCalls:
    """The planned calls of one root, so that none is planned twice.

    A plan for unknown dims covers calls of many sizes. The signatures of calls that were looked up
    are remembered as well, at most 512 of them.
    """

    def __init__(self) -> None:
        self._plans: list[tuple[Any, bool, Arguments, Reads]] = []
        self._signatures: dict[Any, Reads] = {}

    def add(self, method: Any, training: bool, specs: Arguments, reads: Reads) -> None:
        """Note a plan: a method in a mode, for specs."""
        self._plans.append((method, training, specs, reads))

    def remember(self, signature: Any, reads: Reads) -> None:
        """Note the reads of a call by its signature."""
        if len(self._signatures) >= _MOST:
            self._signatures.clear()
        self._signatures[signature] = reads

    def by_signature(self, signature: Any) -> Reads | None:
        """The reads of a call that was looked up before."""
        return self._signatures.get(signature)

    def covering(self, method: Any, training: bool, specs: Arguments) -> Reads | None:
        """The reads of a plan whose specs cover these."""
        for name, mode, planned, reads in self._plans:
            if (name, mode) == (method, training) and covers(planned, specs):
                return reads
        return None

    def copy(self) -> PlannedCalls:
        twin = PlannedCalls()
        twin._plans, twin._signatures = self._plans.copy(), self._signatures.copy()
        return twin
