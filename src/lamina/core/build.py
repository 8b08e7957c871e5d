"""The build: plan, check, draw. One transaction, carried out whole or not at all."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina import initializers
from lamina.core import mistakes
from lamina.core.drawing import draw, draw_callable
from lamina.core.node import Built, Edition, Site, Tracked, site
from lamina.core.plan import Plan, PlannedVariable
from lamina.core.planning import Planner, blend, blend_tree
from lamina.core.scope import SCOPE, Frame, Key, Scope, current_planner
from lamina.core.signature import given_specs, method_of
from lamina.core.specs import SIZES, Arguments, Sizes, Spec, map_specs
from lamina.core.tracing import evaluate_abstractly, outside_traces, trace_state
from lamina.core.tracking import Tree, children, walk
from lamina.core.variable import Variable
from lamina.errors import BuildError, LaminaError, TrackingError, explain

__all__ = ["LOCK", "Request", "build", "carry_out", "plan", "set_seed", "traced_call"]

LOCK = threading.RLock()
"""One build at a time in the process: first calls from two threads build once."""


class _Seeds:
    """The seed of drawing, and how many trees were built since it was set."""

    seed = 0
    trees = 0


def set_seed(seed: int) -> None:
    """Fix what is drawn from here on: the n-th tree built draws from (seed, n).

    >>> set_seed(0)
    """
    with LOCK:
        _Seeds.seed = int(seed)
        _Seeds.trees = 0


@dataclass(frozen=True)
class Request:
    """What is to be planned: a root entered by a method, with these specs, in this mode.

    Instead of a method's name it may be a function that calls the root.
    """

    root: Tracked
    method: str | Callable[..., Any]
    specs: Arguments
    training: bool
    at: Site


@dataclass
class Outcome:
    """A planner that went through, its call's reads, and the specs with what moved unknown."""

    planner: Planner
    reads: dict[int, int]
    calls: list[Any]
    notes: tuple[str, ...]


def traced_call(planner: Planner, request: Request, sizes: Sizes, training: bool) -> dict[int, int]:
    """Trace the request's call once; how often it read each variable."""
    arrays: list[Any] = []

    def hold(spec: Spec) -> int:
        shape = tuple(sizes.of(dim) for dim in spec.shape)
        arrays.append(jax.ShapeDtypeStruct(shape, spec.dtype))
        return -len(arrays)

    places = request.specs.map(lambda spec: _Place(hold(spec)))
    reads: dict[int, int] = {}

    def run(*given: Any) -> None:
        def fill(tree: Any) -> Any:
            return jax.tree.map(
                lambda leaf: given[-leaf.index - 1] if isinstance(leaf, _Place) else leaf, tree
            )

        frame = Frame(request.root, planner=planner, path_of=planner.path)
        key = Key(jax.random.key(0), trace_state())
        enter(
            frame, request.root, request.method, fill(places.args), fill(places.kwargs),
            training, key,
        )
        reads.update(frame.reads)

    evaluate_abstractly(run, arrays)
    return reads


@dataclass(frozen=True)
class _Place:
    """Where an array goes in a tree of arguments."""

    index: int


def enter(
    frame: Frame,
    layer: Tracked,
    method: str | Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    training: bool,
    key: Key | None,
) -> Any:
    """Call a layer's method, or a function that calls the layer, within a frame."""
    info = method_of(type(layer), method)
    planner = frame.planner
    token = SCOPE.set(Scope(frame, layer, training, key))
    try:
        given = kwargs
        if info.training_at is not None:
            given = {**kwargs, "training": training}
            if planner is not None:
                planner.reads_training = True
        if callable(method):
            return method(*args, **kwargs)
        function = getattr(layer, method)
        if planner is None:
            outputs = function(*args, **given)
            if frame.watch is not None:
                frame.watch(frame.path_of(layer), type(layer).__name__, (args, kwargs), outputs)
            return outputs
        return planner.reach(layer, method, (args, kwargs), lambda: function(*args, **given))
    except Exception as error:
        mistakes.note(
            error,
            f"in {frame.path_of(layer) or 'the root'} ({type(layer).__name__}), "
            f"made at {layer._lamina.made_at}",
        )
        raise
    finally:
        SCOPE.reset(token)


def _pass(request: Request, sizes: Sizes, earlier: Planner | None) -> Outcome:
    """Trace the call in the mode asked for and, if the mode was read, in the other one."""
    planner = Planner(request.root, sizes, earlier)
    try:
        method_of(type(request.root), request.method).bind(
            request.specs.args, request.specs.kwargs
        )
        reads = traced_call(planner, request, sizes, request.training)
        notes: tuple[str, ...] = ()
        if planner.reads_training:
            notes = _other_mode(planner, request, sizes)
        return Outcome(planner, reads, planner.calls, notes)
    finally:
        planner.original.restore()


def _other_mode(planner: Planner, request: Request, sizes: Sizes) -> tuple[str, ...]:
    before = planner.checkpoint()
    planner.recording = False
    try:
        traced_call(planner, request, sizes, not request.training)
        return ()
    except Exception as error:
        planner.go_back(before)
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        return (f"with training={not request.training}: {first}",)
    finally:
        planner.recording = True


def _passes(request: Request) -> Outcome:
    """One pass if every dim is known, else two of different sizes that are compared."""
    leaves = list(request.specs.leaves())
    names = tuple(dict.fromkeys(d for s in leaves for d in s.shape if isinstance(d, str)))
    if all(spec.known for spec in leaves):
        return _pass(request, Sizes(1), None)
    failure: Exception | None = None
    for small, large in SIZES:
        first, second = Sizes(small, names), Sizes(large, names)
        try:
            once = _pass(request, first, None)
            outcome = _pass(request, second, once.planner)
        except LaminaError:
            raise
        except Exception as error:
            failure = failure or error
            continue
        _mark_unknown(outcome, once, first, second)
        if not any(0 in spec.shape for call in outcome.calls for spec in _specs(call.outputs)):
            return outcome
    if failure is not None:
        raise failure
    return outcome  # pyright: ignore[reportPossiblyUnboundVariable]


def _specs(tree: Any) -> list[Spec]:
    found: list[Spec] = []
    map_specs(found.append, tree)
    return found


def _mark_unknown(outcome: Outcome, once: Outcome, first: Sizes, second: Sizes) -> None:
    """Where the two passes differ in a size, the size is unknown."""
    names = {(first.of(name), second.of(name)): name for name in first.names}
    for earlier, later in zip(once.calls, outcome.calls, strict=False):
        later.inputs = blend(earlier.inputs, later.inputs, names)
        later.outputs = blend_tree(earlier.outputs, later.outputs, names)
    before = once.planner.by_path()
    for path, record in outcome.planner.by_path().items():
        if path in before:
            record.inputs = blend(before[path].inputs, record.inputs, names)
            record.outputs = blend_tree(before[path].outputs, record.outputs, names)


def _final_tree(outcome: Outcome) -> Tree:
    """The tree as it stands once the builds' changes are kept; it must hold every weight."""
    planner = outcome.planner
    tree = walk(planner.root)
    for variable in planner.declared.values():
        if id(variable) not in tree.variables:
            raise TrackingError(mistakes.stray_variable(planner, variable))
    paths = [path for path, _ in tree.variables.values()]
    twice = sorted({path for path in paths if paths.count(path) > 1}) if len(
        set(paths)
    ) < len(paths) else []
    if twice:
        raise TrackingError(
            explain(
                f"Two weights of {type(planner.root).__name__} have the path {twice[0]!r}.",
                where=f"made at {planner.root._lamina.made_at}",
                expected="a path of its own for each weight",
                received=", ".join(twice),
                remedy="Rename one of the attributes or weights.",
            )
        )
    return tree


def frozen_variables(tree: Tree) -> set[int]:
    """The variables that do not train: their own flag, or a frozen layer above them."""
    frozen = {key for key, (_, v) in tree.variables.items() if not v.trainable}
    for _, layer in tree.layers.values():
        if not layer._lamina.trainable:
            frozen |= set(walk(layer).variables)
    return frozen


def _as_plan(outcome: Outcome, tree: Tree) -> Plan:
    planner = outcome.planner
    frozen = frozen_variables(tree)
    reached = {planner.path(record.layer) for record in planner.reached.values()}
    reached |= {tree.variables[key][0].rpartition(".")[0] for key in planner.used & set(tree.variables)}
    busy = {".".join(parts[:end]) for parts in (p.split(".") for p in reached) for end in range(len(parts) + 1)}
    unused = [path for path, _ in tree.layers.values() if path not in busy]
    topmost = [p for p in unused if not any(p.startswith(other + ".") for other in unused)]
    return Plan(
        variables=tuple(
            PlannedVariable(
                path,
                variable.shape,
                str(variable.dtype),
                initializers.describe(variable.initializer),
                key not in frozen,
                variable.nbytes,
                variable.declared_at,
            )
            for key, (path, variable) in tree.variables.items()
        ),
        calls=tuple(outcome.calls),
        unused=tuple(topmost),
        aliases=tree.all_aliases(),
        external=tuple(_external_label(item) for item in planner.external.values()),
        notes=outcome.notes,
    )


def _external_label(item: Tracked | Variable) -> str:
    if isinstance(item, Variable):
        return item.describe()
    return f"{type(item).__name__} made at {item._lamina.made_at}"


def make_plan(request: Request) -> Plan:
    """The plan of a request; the tree is left as it was."""
    with LOCK:
        outcome = _passes(request)
        try:
            outcome.planner.apply()
            return _as_plan(outcome, _final_tree(outcome))
        finally:
            outcome.planner.undo()


def carry_out(
    request: Request,
    *,
    seed: int | None = None,
    source: Callable[[Tree], Mapping[str, np.ndarray]] | None = None,
) -> dict[int, int]:
    """Plan a request and build what it asks for; how often its call reads each variable."""
    with LOCK:
        outcome = _passes(request)
        planner = outcome.planner
        try:
            planner.apply()
            tree = _final_tree(outcome)
            missing = [(p, v) for p, v in tree.variables.values() if not v.built]
            origin, values = _values(request.root, tree, missing, seed, source)
        except BaseException:
            planner.undo()
            raise
        _commit(request, outcome, origin, values)
        return outcome.reads


def _values(
    root: Tracked,
    tree: Tree,
    missing: list[tuple[str, Variable]],
    seed: int | None,
    source: Callable[[Tree], Mapping[str, np.ndarray]] | None,
) -> tuple[tuple[int, int] | None, list[tuple[Variable, jax.Array]]]:
    """The values of all variables at once: drawn, or from a file."""
    origin = root._lamina.origin
    if source is not None:
        given = source(tree)
        return origin, outside_traces(lambda: [(v, _placed(v, given[p])) for p, v in missing])
    counted = seed is None and origin is None and bool(missing)
    if seed is not None:
        origin = (int(seed), 0)
    elif counted:
        origin = (_Seeds.seed, _Seeds.trees)
    drawn_from = origin or (0, 0)
    values = outside_traces(lambda: [(v, _drawn(v, p, drawn_from)) for p, v in missing])
    _Seeds.trees += counted  # only a build that went through uses up a number
    return origin, values


def _drawn(variable: Variable, path: str, origin: tuple[int, int]) -> jax.Array:
    initializer: Any = variable.initializer
    if not isinstance(initializer, initializers.Initializer):
        return draw_callable(initializer, variable.shape, variable.dtype, seed=origin, path=path)
    flat = draw(initializer, variable.shape, variable.dtype, seed=origin, path=path)
    return jnp.asarray(flat.reshape(variable.shape))


def _placed(variable: Variable, array: np.ndarray) -> jax.Array:
    return jnp.asarray(array.astype(variable.dtype, copy=False))


def _commit(
    request: Request,
    outcome: Outcome,
    origin: tuple[int, int] | None,
    values: list[tuple[Variable, jax.Array]],
) -> None:
    for variable, value in values:
        variable.store(value)
    for record in outcome.planner.reached.values():
        node = record.layer._lamina
        if id(record.layer) in outcome.planner.strays:
            continue
        if node.built is None:
            node.built = Built(request.at, record.method, record.inputs, record.outputs)
            node.declared = record.declared
    if values:
        Edition.advance()
    root = request.root._lamina
    root.origin = origin
    if root.built is None:
        return
    if isinstance(request.method, str):
        root.built.entries.setdefault(request.method, request.specs)
    elif id(request.root) in outcome.planner.reached:
        record = outcome.planner.reached[id(request.root)]
        root.built.entries.setdefault(record.method, record.inputs)


def request_for(
    root: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Request, int | None]:
    """The request that the arguments of `build` and `plan` stand for."""
    kwargs = dict(kwargs)
    method = kwargs.pop("method", None) or "call"
    seed = kwargs.pop("seed", None)
    kwargs.pop("rng", None)
    info = method_of(type(root), method)
    args, training = info.split_training(args, kwargs)
    specs = given_specs(info, args, kwargs)
    mode = info.training_default if training is None else bool(training)
    return Request(root, method, specs, mode, site()), seed


def plan(root: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Plan:
    return make_plan(request_for(root, args, kwargs)[0])


def build(root: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    request, seed = request_for(root, args, kwargs)
    reads = carry_out(request, seed=seed)
    root._lamina.plans.append((request.method, request.training, request.specs, reads))


def base_build(layer: Tracked, *shapes: Any, **named: Any) -> None:
    """The `build` of a layer that declares nothing itself: what calls reach is built then."""
    if shapes or named or not method_of(type(layer), "call").inputs:
        return
    planner = current_planner()
    label = type(layer).__name__ if planner is None else mistakes.name(planner, layer)
    raise BuildError(
        explain(
            f"super().build() of {label} was called without a shape.",
            where=f"called at {site()}",
            expected="super().build(input_shape)",
            received="super().build()",
            remedy="Pass the shape on: super().build(input_shape).",
        )
    )


base_build.is_base = True  # type: ignore[attr-defined]


def build_inside(
    planner: Planner, layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """`layer.build(...)` inside another layer's `build`, or `super().build(...)`."""
    if not args and not kwargs:
        base_build(layer)
    if planner.is_temporary(layer):
        return
    request, _ = request_for(layer, args, kwargs)
    record = planner.open(layer, "call", request.specs)
    scope = SCOPE.get()
    if scope is not None and children(layer):
        with planner.aside(scope.frame.reads):
            inputs = request.specs.map(planner.zeros_for)
            enter(scope.frame, layer, "call", inputs.args, inputs.kwargs, scope.training, scope.key)
    record.called_at = site()


def guarded(written: Callable[..., Any]) -> Callable[..., Any]:
    """A user's `build`, so that calling it from outside carries out the whole build."""

    @functools.wraps(written)
    def build_entry(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(self, Tracked):
            return written(self, *args, **kwargs)
        scope = SCOPE.get()
        planner = None if scope is None else scope.frame.planner
        if planner is None:
            return build(self, args, kwargs)
        if planner.is_building(self):
            return written(self, *args, **kwargs)
        return build_inside(planner, self, args, kwargs)

    build_entry.written = written  # type: ignore[attr-defined]
    return build_entry


def declare(
    layer: Tracked, shape: Any, initializer: Any, dtype: Any, trainable: bool, name: str | None
) -> Variable:
    """`add_weight`: in `build` it goes to the plan, in `__init__` it waits for one."""
    kind = dtype if dtype is not None else layer._lamina.dtype

    def make() -> Variable:
        return Variable(shape, initializer, dtype=kind, trainable=trainable, name=name)

    scope = SCOPE.get()
    if scope is None:
        variable = make()
        layer._lamina.loose.append(variable)
        return variable
    if scope.frame.planner is None:
        raise TrackingError(mistakes.weight_in_call(scope.frame, layer))
    return scope.frame.planner.declare(layer, make)


_adopted: set[type] = set()


def adopt(kind: type) -> None:
    """Make the `build` methods of a class and its bases enter through the transaction."""
    if kind in _adopted:
        return
    for owner in kind.__mro__:
        written = owner.__dict__.get("build")
        if callable(written) and not hasattr(written, "written") and owner is not object:
            owner.build = guarded(written)  # pyright: ignore[reportAttributeAccessIssue]
    _adopted.add(kind)
