"""The flow of data between the calls of a plan: whose outputs reach which inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.core.building.plan import PlannedCall
from lamina.core.building.recording import Recording
from lamina.reports.programs import is_variable

__all__ = ["find_flow"]


def find_flow(
    recording: Recording, calls: Sequence[PlannedCall]
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Find the sources and the results of each call.

    Args:
        recording: the recording of the calls.
        calls: the calls of the plan.

    Returns:
        For each call, what :attr:`PlannedCall.sources` and :attr:`PlannedCall.results` hold. They
        are empty for a call in another trace, such as the body of a loop.
    """
    program = recording.program.jaxpr
    makers = {variable: eqn for eqn in program.eqns for variable in eqn.outvars}
    inner: dict[int, list[int]] = {}
    for index, call in enumerate(calls):
        inner.setdefault(call.caller, []).append(index)
    sources: list[tuple[int, ...]] = [()] * len(calls)
    results: list[tuple[int, ...]] = [()] * len(calls)

    def variables(places: Sequence[int]) -> list[Any]:
        found = [program.outvars[at] for at in places if at >= 0]
        return [variable for variable in found if is_variable(variable)]

    for caller, group in inner.items():
        given = variables(recording.inputs.get(caller, ()))
        origin = dict.fromkeys(given, caller)
        for index in group:
            taken = variables(recording.inputs.get(index, ()))
            sources[index] = _origins(taken, origin, makers)
            for variable in variables(recording.outputs.get(index, ())):
                origin[variable] = index
        if caller >= 0:
            results[caller] = _origins(variables(recording.outputs[caller]), origin, makers)
    leaves = [index for index in recording.outputs if index not in inner]
    for index in leaves:
        results[index] = (index,)
    return sources, results


def _origins(
    variables: list[Any], origin: dict[Any, int], makers: dict[Any, Any]
) -> tuple[int, ...]:
    """Return the calls that some variables come from, in order."""
    found: set[int] = set()
    seen: set[Any] = set()
    pending = list(variables)
    while pending:
        variable = pending.pop()
        if variable in seen:
            continue
        seen.add(variable)
        if variable in origin:
            found.add(origin[variable])
        elif variable in makers:
            pending += [atom for atom in makers[variable].invars if is_variable(atom)]
    return tuple(sorted(found))
