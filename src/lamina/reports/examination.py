"""Plans with what reports show: why each weight has its shape, the flow of data, dims, FLOPs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lamina.core.base.sites import Site, site
from lamina.core.building.abstract_trace import Outcome
from lamina.core.building.errors import in_one_line
from lamina.core.building.inventory import planned_layers, planned_variables
from lamina.core.building.plan import Plan, PlannedCall, PlannedLayer, PlannedVariable
from lamina.core.building.recording import Recording
from lamina.core.building.request import Request, request_for
from lamina.core.building.transaction import examined_plan
from lamina.core.running.scope import current
from lamina.core.specs.signature import method_of
from lamina.core.tree.node import Built, Tracked
from lamina.core.tree.walk import Tree, walk
from lamina.hidden_output import hidden_output
from lamina.reports.dims import Dims
from lamina.reports.flops import count_flops
from lamina.reports.flow import find_flow
from lamina.reports.programs import is_variable
from lamina.reports.shape_causes import COPIES, reasons

__all__ = ["examine", "inventory"]

Causes = dict[str, tuple[str, ...]]


def examine(root: Tracked, *specs: Any, **named: Any) -> Plan:
    """Plan a root, and find what reports show; the root is not changed.

    The causes of the shapes are found by running each `build` again with one size doubled. The
    flow of data, the dims and the operations are read off the program.

    Args:
        root: the root layer.
        *specs: as those of `build`. Without any, the root is planned for the inputs that it was
            built for; if it is not built, the plan holds only what is tracked so far.
        **named: as those of `build`.

    Returns:
        A plan in which ``why``, ``dims``, ``sources``, ``results`` and ``flops`` are set.

    Raises:
        BuildError: the root cannot be built for the specs.
        InputError: the specs do not match the inputs of ``call``.

    >>> from lamina import layers
    >>> examine(layers.Dense(4), (None, 3)).variables[0].why
    ('axis -1 of inputs', 'units')
    """
    if specs or named:
        return examined_plan(request_for(root, specs, named)[0], _look)
    built = root._lamina.built
    if built is None or current() is not None:
        return inventory(root, why=True)
    plans: list[Plan] = []
    notes: list[str] = []
    for method, inputs in built.entries.items():
        mode = method_of(type(root), method).training_default
        try:
            with hidden_output():  # output of user code
                plans.append(examined_plan(Request(root, method, inputs, mode, site()), _look))
        except Exception as error:
            notes.append(f"{method} cannot be planned again: {in_one_line(error)}")
            continue
        notes += [f"{method} fails {note}" for note in plans[-1].notes]
    return _joined(plans or [inventory(root, why=True)], tuple(notes))


def inventory(root: Tracked, *, why: bool = False) -> Plan:
    """Return the layers and weights of a root as they are now, without a plan of a call.

    Args:
        root: the root layer.
        why: whether to find the causes of the shapes of weights; False by default.

    Returns:
        A plan without calls.
    """
    tree = walk(root)
    layers = _located(planned_layers(tree, {}), tree)
    causes = _causes(tree, {}) if why else Causes()
    variables = tuple(replace(v, why=causes.get(v.path, ())) for v in planned_variables(tree))
    return Plan(variables, (), (), tree.all_aliases(), (), (), layers)


def _joined(plans: list[Plan], notes: tuple[str, ...]) -> Plan:
    """Join the plans of the methods that a root was built for."""
    first = plans[0]
    calls: list[PlannedCall] = []
    for plan in plans:
        start = len(calls)
        calls += [
            replace(
                call,
                caller=call.caller + start if call.caller >= 0 else -1,
                sources=tuple(at + start if at >= 0 else at for at in call.sources),
                results=tuple(at + start for at in call.results),
            )
            for call in plan.calls
        ]
    never = set(first.unused).intersection(*(plan.unused for plan in plans[1:]))
    external = dict.fromkeys(name for plan in plans for name in plan.external)
    unused = tuple(path for path in first.unused if path in never)
    return replace(first, calls=tuple(calls), unused=unused, external=tuple(external), notes=notes)


def _look(plan: Plan, tree: Tree, outcome: Outcome) -> Plan:
    causes = _causes(tree, outcome.planner.records)
    calls, dims = [*plan.calls], dict[str, tuple[int, ...]]()
    if outcome.recording is not None and outcome.recording.program is not None:
        calls, dims = _flow_and_dims(calls, tree, outcome.recording)
        flops = count_flops(_smallest(outcome).program.jaxpr, calls, tree.copied)
        calls = [replace(call, flops=count) for call, count in zip(calls, flops, strict=True)]
    variables = [replace(v, why=causes.get(v.path, ())) for v in plan.variables]
    return replace(
        plan,
        layers=_located(plan.layers, tree),
        calls=tuple(calls),
        variables=tuple(_with_dims(v, dims.get(v.path, ())) for v in variables),
    )


def _smallest(outcome: Outcome) -> Recording:
    """The recording in which unknown dims have the size 1, if it has the same calls."""
    first = outcome.earlier or outcome
    same = [call.path for call in first.calls] == [call.path for call in outcome.calls]
    found = first.recording if same else outcome.recording
    assert found is not None
    return found


def _causes(tree: Tree, records: Mapping[int, Built]) -> Causes:
    found: Causes = {}
    for key, (_, layer) in tree.layers.items():
        for one, why in reasons(layer, layer._lamina.built or records.get(key)).items():
            if one in tree.variables:
                path, variable = tree.variables[one]
                copies = 0 if variable.copies else len(tree.copies_of(path))  # not built so far
                found[path] = (*(COPIES,) * copies, *why)
    return found


def _located(layers: Sequence[PlannedLayer], tree: Tree) -> tuple[PlannedLayer, ...]:
    """Add where the classes of layers are defined."""
    held = dict(tree.layers.values())
    return tuple(replace(one, defined_at=_source_site(type(held[one.path]))) for one in layers)


@functools.lru_cache(1024)
def _source_site(kind: type) -> Site | None:
    try:
        return Site(str(inspect.getsourcefile(kind)), inspect.getsourcelines(kind)[1])
    except (OSError, TypeError):
        return None


def _flow_and_dims(
    calls: list[PlannedCall], tree: Tree, recording: Recording
) -> tuple[list[PlannedCall], dict[str, tuple[int, ...]]]:
    """Add the flow of data and the dims to calls, and return the dims of the weights by path."""
    program = recording.program.jaxpr
    dims = Dims(program)
    sources, taken, results = find_flow(recording, calls)

    def numbers(places: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        atoms = [program.outvars[at] if at >= 0 else None for at in places]
        return tuple(() if a is None or not is_variable(a) else dims.of(a) for a in atoms)

    read: dict[str, tuple[int, ...]] = {}
    for key, places in recording.reads.items():
        if key in tree.variables:
            read[tree.variables[key][0]] = numbers(places[:1])[0]
    found = [
        replace(
            call,
            sources=sources[index],
            caller_inputs=taken[index],
            results=results[index],
            input_dims=numbers(recording.inputs.get(index, ())),
            output_dims=numbers(recording.outputs.get(index, ())),
        )
        for index, call in enumerate(calls)
    ]
    return found, read


def _with_dims(variable: PlannedVariable, dims: tuple[int, ...]) -> PlannedVariable:
    stacked = len(variable.shape) - len(dims)
    return replace(variable, dims=(-1,) * stacked + dims) if dims else variable
