"""Abstract traces of a root's call, for one or two trial sizes and one or both training modes."""

from __future__ import annotations

from dataclasses import dataclass
from types import FunctionType
from typing import Any, cast

import jax

from lamina.core.base.jax_internals import evaluate_abstractly
from lamina.core.base.pytrees import map_tree
from lamina.core.base.sites import edge
from lamina.core.building.plan_call import PlanCall
from lamina.core.building.planner import Planner
from lamina.core.building.request import Request
from lamina.core.running.keys import Key
from lamina.core.running.layer_call import run_layer
from lamina.core.running.sizes import TooSmallError
from lamina.core.specs.signature import method_of
from lamina.core.specs.spec import SIZES, Sizes, Spec, map_specs, merge_specs
from lamina.errors import LaminaError

__all__ = ["Outcome", "run_passes"]


@dataclass
class Outcome:
    """The result of a successful plan.

    Attributes:
        planner: the planner of the last pass.
        reads: the number of reads of each variable in the call.
        calls: the planned calls; dims that differ between the passes are unknown.
        notes: errors of the other training mode.
    """

    planner: Planner
    reads: dict[int, int]
    calls: list[Any]
    notes: tuple[str, ...]


def _trace(planner: Planner, request: Request, training: bool, recorded: bool) -> dict[int, int]:
    """Trace the call of a request once, and return the number of reads of each variable."""
    sizes = planner.sizes
    arrays: list[Any] = []

    def add_array(spec: Spec) -> int:
        shape = tuple(sizes.of(dim) for dim in spec.shape)
        arrays.append(jax.ShapeDtypeStruct(shape, spec.dtype))
        return -len(arrays)

    places = request.specs.map(lambda spec: _Place(add_array(spec)))
    reads: dict[int, int] = {}

    def run(*tracers: Any) -> None:
        def fill(tree: Any) -> Any:
            return map_tree(
                lambda leaf: tracers[-leaf.index - 1] if isinstance(leaf, _Place) else leaf, tree
            )

        call = PlanCall(planner, recorded=recorded)
        args, kwargs = fill(places.args), fill(places.kwargs)
        key = Key(jax.random.key(0))
        run_layer(call, request.root, request.method, args, kwargs, training, key)
        reads.update(call.reads)

    with edge(cast("FunctionType", run), request.at):
        evaluate_abstractly(run, arrays)
    return reads


@dataclass(frozen=True)
class _Place:
    """The place of an array in a pytree of arguments."""

    index: int


def _pass(request: Request, planner: Planner) -> Outcome:
    """Trace the call in the requested mode and, if a layer read the mode, in the other one.

    The pass changes the tree until the planner's `undo` or `apply`; after an error the tree is
    restored.
    """
    try:
        method_of(type(request.root), request.method).bind(request.specs.args, request.specs.kwargs)
        reads = _trace(planner, request, request.training, recorded=True)
        notes: tuple[str, ...] = ()
        if request.both and planner.reads_training:
            planner, notes = _other_mode(planner, request)
        return Outcome(planner, reads, planner.calls, notes)
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


def run_passes(request: Request) -> Outcome:
    """Run one pass if all dims are known, else two passes with different trial sizes.

    Dims of inputs and outputs that differ between the two passes are unknown. The tree stays
    changed by the last pass, until the planner's `undo` or `apply`.
    """
    leaves = list(request.specs.leaves())
    names = tuple(dict.fromkeys(d for s in leaves for d in s.shape if isinstance(d, str)))
    if all(spec.known for spec in leaves):
        return _pass(request, _planner(request, Sizes(1)))
    failure: Exception | None = None
    for small, large in SIZES:
        first, second = Sizes(small, names), Sizes(large, names)
        planner = _planner(request, first)
        try:
            once = _pass(request, planner)
            planner.undo()
            outcome = _pass(request, _planner(request, second, planner))
        except TooSmallError as error:
            failure = failure or error
            if (small, large) == SIZES[-1]:
                raise
            continue
        except LaminaError:
            if planner.mismatch is not None:  # the second pass shows which sizes are trial sizes
                _pass(request, _planner(request, second, planner))
            raise
        except Exception as error:
            if failure is None:
                failure = error
                error.add_note(f"unknown dims had the trial sizes {first} or {second} here")
            continue
        try:
            _mark_unknown(outcome, once, first, second)
        except BaseException:
            outcome.planner.undo()
            raise
        last = (small, large) == SIZES[-1]
        empty = any(0 in spec.shape for call in outcome.calls for spec in _specs(call.outputs))
        if not empty or (last and failure is None):
            return outcome
        outcome.planner.undo()
    assert failure is not None
    raise failure


def _planner(request: Request, sizes: Sizes, earlier: Planner | None = None) -> Planner:
    return Planner(request.root, sizes, earlier, split=request.split)


def _specs(tree: Any) -> list[Spec]:
    found: list[Spec] = []
    map_specs(found.append, tree)
    return found


def _mark_unknown(outcome: Outcome, once: Outcome, first: Sizes, second: Sizes) -> None:
    """Make the dims unknown that differ between two passes."""
    names = {(first.of(name), second.of(name)): name for name in first.names}
    known: dict[tuple[int, int], tuple[Any, ...]] = {}  # most specs are in a call and in a record

    def merged(earlier: Any, later: Any) -> Any:
        key = id(earlier), id(later)
        if key not in known:
            known[key] = earlier, later, merge_specs(earlier, later, names)
        return known[key][-1]

    for earlier, later in zip(once.calls, outcome.calls, strict=False):
        later.inputs = merged(earlier.inputs, later.inputs)
        later.outputs = merged(earlier.outputs, later.outputs)
    before = once.planner.by_path()
    for path, record in outcome.planner.by_path().items():
        if path in before:
            record.inputs = merged(before[path].inputs, record.inputs)
            record.outputs = merged(before[path].outputs, record.outputs)
