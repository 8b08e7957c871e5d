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
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Find the sources, the inputs of the caller, and the results of each call.

    Args:
        recording: the recording of the calls.
        calls: the calls of the plan.

    Returns:
        For each call, what :attr:`PlannedCall.sources`, :attr:`PlannedCall.caller_inputs` and
        :attr:`PlannedCall.results` hold. They are empty for a call in another trace, such as the
        body of a loop.
    """
    program = recording.program.jaxpr
    makers = {variable: eqn for eqn in program.eqns for variable in eqn.outvars}
    inner: dict[int, list[int]] = {}
    for index, call in enumerate(calls):
        inner.setdefault(call.caller, []).append(index)
    sources: list[tuple[int, ...]] = [()] * len(calls)
    taken: list[tuple[int, ...]] = [()] * len(calls)
    results: list[tuple[int, ...]] = [()] * len(calls)

    def variables(places: Sequence[int]) -> list[Any]:
        found = [program.outvars[at] for at in places if at >= 0]
        return [variable for variable in found if is_variable(variable)]

    for caller, group in inner.items():
        given = enumerate(recording.inputs.get(caller, ()))
        origin = {v: -1 - place for place, at in given for v in variables([at])}
        for index in group:
            found = _origins(variables(recording.inputs.get(index, ())), origin, makers)
            sources[index] = _calls(found, caller)
            taken[index] = tuple(sorted(-1 - at for at in found if at < 0))
            for variable in variables(recording.outputs.get(index, ())):
                origin[variable] = index
        if caller >= 0:
            found = _origins(variables(recording.outputs[caller]), origin, makers)
            results[caller] = _calls(found, caller)
    leaves = [index for index in recording.outputs if index not in inner]
    for index in leaves:
        results[index] = (index,)
    return sources, taken, results


def _calls(origins: set[int], caller: int) -> tuple[int, ...]:
    """Return the calls among origins, in order; inputs of the caller, below 0, stand for it."""
    return tuple(sorted({at if at >= 0 else caller for at in origins}))


def _origins(variables: list[Any], origin: dict[Any, int], makers: dict[Any, Any]) -> set[int]:
    """Return the origins that some variables come from."""
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
    return found
