"""Abstract traces of a root's call, in one or both training modes, and merging of their results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any, cast

import jax

from lamina.core.base.jax_internals import evaluate_abstractly, record_program
from lamina.core.base.pytrees import map_tree
from lamina.core.base.sites import edge
from lamina.core.building.plan_call import PlanCall
from lamina.core.building.planner import Planner
from lamina.core.building.recording import Recording
from lamina.core.building.request import Request
from lamina.core.running.keys import Key
from lamina.core.running.layer_call import run_layer
from lamina.core.specs.merging import DimNames, merge_specs
from lamina.core.specs.spec import Spec

__all__ = ["Outcome", "merge_outcomes", "run_pass"]


@dataclass
class Outcome:
    """The result of a successful plan.

    Attributes:
        planner: the planner of the last pass.
        reads: the number of reads of each variable in the call.
        calls: the planned calls; dims that differ between the passes are unknown.
        notes: errors of the other training mode.
        exact: whether the plan is valid for all sizes of unknown dims; if not, calls of other sizes
            must be planned. True by default.
        recording: what the trace recorded, if that was requested; None (default) if not.
        earlier: the outcome of the first pass; None (default) if this is the first.
    """

    planner: Planner
    reads: dict[int, int]
    calls: list[Any]
    notes: tuple[str, ...]
    exact: bool = True
    recording: Recording | None = None
    earlier: Outcome | None = None


def _trace(planner: Planner, request: Request, training: bool, recorded: bool) -> dict[int, int]:
    """Trace the call of a request once, and return the number of reads of each variable.

    A recording of the planner gets the program, from the inputs to the arrays that it holds.
    """
    sizes = planner.sizes
    arrays: list[Any] = []

    def add_array(spec: Spec) -> int:
        arrays.append(jax.ShapeDtypeStruct(sizes.shape(spec.shape), spec.dtype))
        return -len(arrays)

    places = request.specs.map(lambda spec: _Place(add_array(spec)))
    reads: dict[int, int] = {}

    def run(*tracers: Any) -> list[Any]:
        def fill(tree: Any) -> Any:
            return map_tree(
                lambda leaf: tracers[-leaf.index - 1] if isinstance(leaf, _Place) else leaf, tree
            )

        call = PlanCall(planner, recorded=recorded)
        args, kwargs = fill(places.args), fill(places.kwargs)
        key = Key(jax.random.key(0))
        run_layer(call, request.root, request.method, args, kwargs, training, key)
        reads.update(call.reads)
        return [] if planner.recording is None else planner.recording.arrays

    with edge(cast("FunctionType", run).__code__, request.at):
        if planner.recording is None:
            evaluate_abstractly(run, arrays)
        else:
            planner.recording.program = record_program(run, arrays)
    return reads


@dataclass(frozen=True)
class _Place:
    """The place of an array in a pytree of arguments."""

    index: int


def run_pass(request: Request, planner: Planner) -> Outcome:
    """Trace the call in the requested mode and, if a layer read the mode, in the other one.

    The pass changes the tree until the planner's `undo` or `apply`; after an error the tree is
    restored.
    """
    recording = planner.recording = Recording() if request.recorded else None
    try:
        reads = _trace(planner, request, request.training, recorded=True)
        planner.recording = None
        notes: tuple[str, ...] = ()
        if request.both and planner.reads_training:
            planner, notes = _other_mode(planner, request)
        return Outcome(planner, reads, planner.calls, notes, recording=recording)
    except BaseException:
        planner.undo()
        raise


def _other_mode(planner: Planner, request: Request) -> tuple[Planner, tuple[str, ...]]:
    """Trace the call in the other mode.

    Returns:
        The planner of both modes; or, after an error, the same planner and a note of the error.
    """
    both = planner.fork()
    try:
        _trace(both, request, not request.training, recorded=False)
        return both, ()
    except Exception as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        return planner, (f"with training={not request.training}: {first}",)


def merge_outcomes(earlier: Outcome, later: Outcome, names: DimNames) -> bool:
    """Make the dims of the later outcome unknown that differ between two passes.

    Returns:
        Whether the earlier pass has a spec of the same rank for each spec of the later one.
    """
    known: dict[tuple[int, int], tuple[Any, ...]] = {}  # most specs are in a call and in a record
    unmatched: list[Spec] = []

    def merged(first: Any, second: Any) -> Any:
        key = id(first), id(second)
        if key not in known:
            known[key] = first, second, merge_specs(first, second, names, unmatched.append)
        return known[key][-1]

    for before, call in _paired(earlier.calls, later.calls):
        call.inputs = merged(before.inputs, call.inputs)
        call.outputs = merged(before.outputs, call.outputs)
    records = earlier.planner.by_path()
    complete = True
    for path, record in later.planner.by_path().items():
        if path in records:
            record.inputs = merged(records[path].inputs, record.inputs)
            record.outputs = merged(records[path].outputs, record.outputs)
        else:
            complete = False
    return complete and not unmatched


def _paired(earlier: list[Any], later: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Pair the calls of two passes: the n-th calls of a path, or its last one if there are less."""
    if [call.path for call in earlier] == [call.path for call in later]:
        yield from zip(earlier, later, strict=True)
        return
    waiting: dict[str, list[Any]] = {}
    for call in reversed(earlier):
        waiting.setdefault(call.path, []).append(call)
    for call in later:
        before = waiting.get(call.path)
        if before:
            yield (before.pop() if len(before) > 1 else before[0]), call
