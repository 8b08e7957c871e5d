"""Transactions: builds and loads that are complete or change nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import jax

from lamina.core.base import processes
from lamina.core.base.interrupts import DeferredSignals
from lamina.core.base.jax_internals import outside_traces
from lamina.core.base.lock import BUILD_WAIT, LOCK
from lamina.core.base.sites import site
from lamina.core.building import errors
from lamina.core.building.abstract_trace import Outcome
from lamina.core.building.initial_values import Source, initial_values
from lamina.core.building.inventory import planned_layers, planned_variables
from lamina.core.building.placement import is_placed, placement_for
from lamina.core.building.plan import Plan
from lamina.core.building.request import Request
from lamina.core.building.trials import run_passes
from lamina.core.specs.spec import Arguments
from lamina.core.tree.build_state import reachable, topmost_without
from lamina.core.tree.edition import EDITION
from lamina.core.tree.memento import Snapshot
from lamina.core.tree.node import Tracked
from lamina.core.tree.trainable import settle
from lamina.core.tree.variable import Variable, store
from lamina.core.tree.walk import Tree, join, walk
from lamina.errors import TrackingError, explain
from lamina.garbage_collection import paused_collection

__all__ = ["all_or_nothing", "carry_out", "examined_plan", "make_plan", "outputs_of"]

T = TypeVar("T")


@contextmanager
def _exclusive() -> Generator[None]:
    """Hold the build lock; Python's garbage collector is paused, as all objects of a plan stay."""
    BUILD_WAIT.wait()
    with LOCK, paused_collection():
        yield


@contextmanager
def all_or_nothing(root: Tracked) -> Generator[None]:
    """In a `with` block, restore a tree, including its values, after an error."""
    before = Snapshot(root, values=True)
    try:
        yield
    except BaseException:
        with DeferredSignals():
            before.restore()
        raise


def _final_tree(outcome: Outcome) -> Tree:
    """Return the tree after the build.

    Raises:
        TrackingError: a declared weight is not in the tree, or two weights have the same path.
    """
    planner = outcome.planner
    tree = walk(planner.root)
    for key, variable in planner.declared.items():
        tied = variable.attached and key not in planner.used  # replaced by an outer build
        if key not in tree.variables and not tied:
            raise TrackingError(errors.untracked_variable(variable, planner.root))
    paths = Counter(path for path, _ in tree.variables.values())
    twice = sorted(path for path, count in paths.items() if count > 1)
    if twice:
        raise TrackingError(
            explain(
                f"Two weights of {type(planner.root).__name__} have the path {twice[0]!r}.",
                where=f"made at {planner.root._lamina.made_at}",
                expected="a unique path for each weight",
                received=", ".join(twice),
                remedy="Rename one of the attributes or weights.",
            )
        )
    return tree


def _as_plan(outcome: Outcome, tree: Tree) -> Plan:
    planner = outcome.planner
    reached = {planner.path_of(layer) for layer in planner.reached.values()}
    reached |= {
        tree.variables[key][0].rpartition(".")[0] for key in planner.used & set(tree.variables)
    }
    unused = topmost_without(reached, reachable(tree))
    return Plan(
        variables=planned_variables(tree),
        calls=tuple(outcome.calls),
        unused=tuple(unused),
        aliases=tree.all_aliases(),
        external=tuple(_external_label(item) for item in planner.external.values()),
        notes=outcome.notes,
        layers=planned_layers(tree, planner.records),
    )


def _external_label(item: Tracked | Variable) -> str:
    if isinstance(item, Variable):
        return item.describe()
    return f"{type(item).__name__} made at {item._lamina.made_at}"


def make_plan(request: Request) -> Plan:
    """Return the plan of a request; the tree is not changed."""
    with _exclusive():
        outcome = run_passes(request)
        try:
            outcome.planner.apply()
            return _as_plan(outcome, _final_tree(outcome))
        finally:
            outcome.planner.undo()


def examined_plan(request: Request, look: Callable[[Plan, Tree, Outcome], T]) -> T:
    """Make the plan of a request, with its recordings; the tree is not changed.

    Args:
        request: the request.
        look: a function of the plan, of the tree as the build would make it, and of the outcome.

    Returns:
        What `look` returned.
    """
    with _exclusive():
        outcome = run_passes(replace(request, recorded=True))
        try:
            outcome.planner.apply()
            tree = _final_tree(outcome)
            return look(_as_plan(outcome, tree), tree, outcome)
        finally:
            outcome.planner.undo()


def outputs_of(
    layer: Tracked, specs: Arguments, training: bool = False, *, believe: bool = True
) -> Any:
    """Return the specs of the outputs of a layer's `call`; the layer is not changed.

    Args:
        layer: the layer.
        specs: the specs of its inputs.
        training: the training mode; False by default.
        believe: whether the layer's own `compute_output_shape` is used; True by default.
    """
    request = Request(layer, "call", specs, training, site(), believe=believe)
    with _exclusive():
        planner = run_passes(request).planner
        planner.undo()
        return planner.records[id(layer)].outputs


def carry_out(
    request: Request,
    *,
    seed: int | None = None,
    source: Callable[[Tree], Source] | None = None,
    prefix: str = "",
    moves: bool = True,
) -> tuple[dict[int, int], bool]:
    """Plan and build a request, and put all weights of the tree on the devices of one placement.

    Args:
        request: the request.
        seed: the seed of the initial values; None (default) for the next one of the global seed.
        source: returns the values for a tree, as from a file; None (default) to draw them.
        prefix: the path of the request's root in a larger tree; empty by default.
        moves: whether a root that is built takes the placement of the `with` block; True by
            default.

    Returns:
        The number of reads of each variable in the call, and whether the plan is valid for all
        sizes of unknown dims.
    """
    with _exclusive():
        outcome = run_passes(replace(request, both=not _whole(request.root)))
        planner = outcome.planner
        done = False
        try:
            planner.apply()
            tree = _final_tree(outcome)
            missing = [(p, v) for p, v in tree.variables.values() if not v.built]
            for path, variable in missing:
                variable.stack(tuple(tree.copies_of(path).values()))
            placement, shardings = placement_for(request.root, tree, moves), None
            elsewhere = not is_placed(tree, placement)
            if placement is not None and (missing or elsewhere):
                shardings = placement.shardings(_as_plan(outcome, tree), prefix)
            origin, values = initial_values(request.root, tree, missing, seed, source, shardings)
            if shardings is not None and elsewhere:
                values += _moved(tree, missing, shardings)
            with DeferredSignals():
                _commit(request, outcome, origin, values)
                if placement is not None and shardings is not None:
                    for path, layer in tree.layers.values():
                        layer._lamina.placement = placement
                        layer._lamina.remat = placement.rematerializes(join(prefix, path))
                for path, variable in missing:
                    variable.path = path
                settle(tree)
                done = True
        finally:
            if not done:
                with DeferredSignals():
                    planner.undo()
                    for _, variable in planner.before.tree.variables.values():
                        if not variable.built:
                            variable.stack(())
        return outcome.reads, outcome.exact


def _moved(
    tree: Tree, missing: list[tuple[str, Variable]], shardings: Mapping[str, jax.sharding.Sharding]
) -> list[tuple[Variable, jax.Array]]:
    """Return the arrays of the variables that were built before, on the devices of a placement."""
    new = {id(variable) for _, variable in missing}
    pairs = [(path, variable) for path, variable in tree.variables.values()]
    old = [(path, variable) for path, variable in pairs if id(variable) not in new]
    stored = [processes.movable(v.stored()) for _, v in old]  # this thread has the lock
    arrays = outside_traces(lambda: jax.device_put(stored, [shardings[path] for path, _ in old]))
    return [(variable, array) for (_, variable), array in zip(old, arrays, strict=True)]


def _whole(root: Tracked) -> bool:
    """Return whether all layers and variables of a tree are built."""
    if root._lamina.built is None:
        return False
    tree = walk(root)
    layers = all(layer._lamina.built is not None for _, layer in tree.layers.values())
    return layers and all(variable.built for _, variable in tree.variables.values())


def _commit(
    request: Request,
    outcome: Outcome,
    origin: tuple[int, int] | None,
    values: list[tuple[Variable, jax.Array]],
) -> None:
    store([variable for variable, _ in values], [value for _, value in values])
    planner = outcome.planner
    for key, layer in planner.reached.items():
        node = layer._lamina
        if key not in planner.untracked and node.built is None:
            node.built = replace(planner.records[key], at=request.at)
            node.declared = planner.weights[key]
    if values:
        EDITION.advance(*(layer._lamina for layer in planner.reached.values()))
    root = request.root._lamina
    root.origin = origin
    if root.built is None:
        return
    if isinstance(request.method, str):
        root.built.entries.setdefault(request.method, request.inputs)
    elif id(request.root) in planner.records:
        record = planner.records[id(request.root)]
        root.built.entries.setdefault(record.method, record.inputs)
