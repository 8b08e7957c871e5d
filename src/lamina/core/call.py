"""Calls: of a root and of what is below it; pure, compiled, rematerialised."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core import mistakes
from lamina.core.build import LOCK, Request, carry_out, enter
from lamina.core.node import Edition, Tracked, site
from lamina.core.planning import own_build
from lamina.core.scope import SCOPE, Frame, Key, Scope, as_key
from lamina.core.signature import as_inputs, build_arguments, key_of, method_of
from lamina.core.specs import Arguments, Spec, as_specs, shapes_of
from lamina.core.tracing import in_fresh_context, is_staged, trace_state
from lamina.core.tracking import Tree, walk
from lamina.core.variable import Variable
from lamina.errors import InputError, LaminaError, TraceError, TrackingError, explain, nearest

__all__ = ["Compiled", "apply", "checkpoint", "ensure", "invoke", "run_root"]

_KNOWN = 512  # signatures remembered for each root


def invoke(layer: Tracked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`layer(...)`: within another call, or as the root of one."""
    scope = SCOPE.get()
    if scope is None:
        if layer._lamina.built is not None and is_staged():
            _warn_frozen(layer)
        return Root(layer, "call", args, kwargs).call()
    info = method_of(type(layer), "call")
    kwargs = dict(kwargs)
    args, training = info.split_training(args, kwargs)
    mode = _mode(scope, training)
    rng = kwargs.pop("rng", None)
    key = scope.key if rng is None else Key(as_key(rng), trace_state())
    args, kwargs = as_inputs((args, kwargs))
    frame = scope.frame
    if frame.planner is None and _unbuilt(layer):
        if frame.grow is not None:
            frame.grow()
        if layer._lamina.built is None:
            _build_weightless(frame, layer, args, kwargs)
    return enter(frame, layer, "call", args, kwargs, mode, key)


def _mode(scope: Scope, training: Any) -> bool:
    return scope.training if training is None else bool(training)


def _build_weightless(frame: Frame, layer: Tracked, args: Any, kwargs: Any) -> None:
    """A layer that the plan knows nothing of may set itself up, but may not have weights."""
    from_inputs = method_of(type(layer), "call").bind(as_specs(args), as_specs(kwargs))
    written = own_build(layer)
    assert written is not None
    arguments, named = build_arguments(written, from_inputs, shapes_of)
    written(layer, *arguments, **named)


def _warn_frozen(layer: Tracked) -> None:
    warnings.warn(
        explain(
            f"{type(layer).__name__} is called by closure while JAX traces a program: its "
            "weights become constants of that program.",
            where=f"called at {site()}",
            expected="weights as arguments",
            received="a call inside jax.jit, scan or another staged transform",
            remedy="Use outputs, new = layer.apply(values, ...), or lamina.jit(layer).",
        ),
        UserWarning,
        stacklevel=3,
    )


class Root:
    """A call of a root: its method, inputs, mode and key."""

    def __init__(
        self,
        layer: Tracked,
        method: str | Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        info = method_of(type(layer), method)
        kwargs = dict(kwargs)
        args, training = info.split_training(args, kwargs)
        rng = kwargs.pop("rng", None)
        self.layer = layer
        self.method = method
        self.training = info.training_default if training is None else bool(training)
        self.key = None if rng is None else Key(as_key(rng), trace_state())
        self.args, self.kwargs = as_inputs((args, kwargs))
        self.signature = key_of(method, self.training, self.args, self.kwargs)

    def ensure(self, again: bool = False) -> dict[int, int]:
        """Build what is not built; how often this call must read each variable."""
        node = self.layer._lamina
        reads = None if again else node.known.get(self.signature)
        if reads is not None:
            return reads
        with LOCK:
            reads = None if again else node.known.get(self.signature)
            if reads is None:
                specs = Arguments(as_specs(self.args), as_specs(self.kwargs))
                reads = None if again else self._planned_before(specs)
            if reads is None:
                request = Request(self.layer, self.method, specs, self.training, site())  # pyright: ignore
                reads = carry_out(request)
            if len(node.known) >= _KNOWN:
                node.known.clear()
            node.known[self.signature] = reads
            return reads

    def _planned_before(self, specs: Arguments) -> dict[int, int] | None:
        for method, training, planned, reads in self.layer._lamina.plans:
            if (method, training) == (self.method, self.training) and covers(planned, specs):
                return reads
        return None

    def call(self) -> Any:
        """Run on the weights that the layer holds, and keep what was assigned."""
        self.ensure()
        outputs, frame = self._run(None)
        for key, value in frame.written.items():
            frame.writers[key].store(value)
        return outputs

    def apply(self, values: dict[int, Any]) -> tuple[Any, dict[int, Any]]:
        """Run on given values; the outputs, and what was assigned."""
        outputs, frame = self._run(values)
        return outputs, frame.written

    def watched(self, watch: Callable[[str, str, Any, Any], None]) -> None:
        """Run for the sake of looking: `watch(path, class, inputs, outputs)` for each call."""
        self.ensure()
        frame = self._frame(None)
        frame.watch = watch
        self._enter(frame)

    def _frame(self, values: dict[int, Any] | None) -> Frame:
        @functools.cache
        def tree() -> Tree:
            return walk(self.layer)

        return Frame(
            self.layer,
            values=values,
            path_of=lambda layer: tree().path(layer),
            holds=lambda variable: id(variable) in walk(self.layer).variables,
            grow=lambda: self.ensure(again=True) and None,
        )

    def _run(self, values: dict[int, Any] | None) -> tuple[Any, Frame]:
        """Run, and see that every weight was read; if not, run again where nothing is kept.

        JAX remembers functions that it traced. One that is kept between calls (an attribute, a
        layer given to `cond`) would come back with the weights of then.
        """
        frame = self._frame(values)
        try:
            outputs = self._enter(frame)
            if not self._short(frame, self.ensure()):
                return outputs, frame
            if not self._short(frame, self.ensure(again=True)):
                return outputs, frame
        except jax.errors.UnexpectedTracerError:
            pass
        frames: list[Frame] = []

        def anew() -> tuple[Any, dict[int, Any]]:
            frames.append(self._frame(values))
            outputs = self._enter(frames[-1])
            return outputs, frames[-1].written

        outputs, written = in_fresh_context(anew)
        frame = frames[-1]
        frame.written = written
        short = self._short(frame, self.ensure())
        if short:
            names = walk(self.layer).variables
            paths = [names[key][0] for key in short if key in names]
            raise TraceError(mistakes.stale(type(self.layer).__name__, paths))
        return outputs, frame

    def _enter(self, frame: Frame) -> Any:
        return enter(
            frame, self.layer, self.method, self.args, self.kwargs, self.training, self.key
        )

    @staticmethod
    def _short(frame: Frame, expected: dict[int, int]) -> list[int]:
        """The variables that the call read less often than its plan did."""
        if jax.config.jax_disable_jit:  # pyright: ignore[reportAttributeAccessIssue]
            return []  # then bodies of loops run as often as the loop does, also never
        return [key for key, count in expected.items() if frame.reads.get(key, 0) < count]


def covers(planned: Arguments, given: Arguments) -> bool:
    """Whether specs with unknown dims stand for the given ones."""
    left, structure = _flat(planned)
    right, other = _flat(given)
    if structure != other:
        return False
    sizes: dict[str, Any] = {}
    for a, b in zip(left, right, strict=True):
        if not isinstance(a, Spec) or not isinstance(b, Spec):
            if type(a) is not type(b) or a != b:
                return False
            continue
        if a.dtype != b.dtype or len(a.shape) != len(b.shape):
            return False
        for dim, size in zip(a.shape, b.shape, strict=True):
            wanted = sizes.setdefault(dim, size) if isinstance(dim, str) else dim
            if wanted is not None and wanted != size:
                return False
    return True


def _flat(arguments: Arguments) -> tuple[list[Any], Any]:
    return jax.tree.flatten(
        (arguments.args, arguments.kwargs), is_leaf=lambda leaf: isinstance(leaf, Spec)
    )


def by_identity(layer: Tracked, values: Mapping[str, Any], *, shapes: bool = True) -> dict[int, Any]:
    """Values by path, strictly all of a tree, as values by variable."""
    variables = walk(layer).by_path()
    label = type(layer).__name__
    missing = [path for path in variables if path not in values]
    unknown = [path for path in values if path not in variables]
    problems = [f"missing: {path}" for path in missing]
    problems += [f"unknown: {path}" for path in unknown]
    found: dict[int, Any] = {}
    for path, variable in variables.items():
        if path in missing:
            continue
        given = values[path]
        array = given.value if isinstance(given, Variable) else given
        if not hasattr(array, "shape"):
            array = jnp.asarray(array)
        if shapes and tuple(array.shape) != variable.shape:
            problems.append(f"misshapen: {path}, expected {variable.shape}, got {array.shape}")
        found[id(variable)] = array
    if problems:
        hint = nearest(unknown[0], variables) if unknown else "Give every path of values()."
        raise InputError(
            explain(
                f"The values do not fit {label}: {'; '.join(problems)}.",
                where=f"made at {layer._lamina.made_at}",
                expected=f"an array for each of its {len(variables)} paths",
                received=f"{len(values)} entries",
                remedy=hint,
            )
        )
    return found


def apply(
    layer: Tracked,
    values: Mapping[str, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Any, dict[str, Any]]:
    """Outputs and new values; the layer is not changed but for a first build."""
    kwargs = dict(kwargs)
    root = Root(layer, kwargs.pop("method", None) or "call", args, kwargs)
    root.ensure()
    given = by_identity(layer, values)
    token = SCOPE.set(None)
    try:
        outputs, written = root.apply(given)
    finally:
        SCOPE.reset(token)
    variables = walk(layer).by_path()
    given |= written
    return outputs, {path: given[id(variables[path])] for path in values}


@dataclass(frozen=True, eq=False)
class _Same:
    """Compares by identity, and keeps what it holds alive so that identities last."""

    held: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.held is self.held

    def __hash__(self) -> int:
        return id(self.held)


def _unbuilt(layer: Tracked) -> bool:
    return layer._lamina.built is None and own_build(layer) is not None


def _within(layer: Tracked, method: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A compiled layer inside another call is simply called."""
    if method == "call":
        return invoke(layer, args, kwargs)
    if callable(method):
        return method(*args, **kwargs)
    return getattr(layer, method)(*args, **kwargs)


class Compiled:
    """A layer's method compiled: once for each spec of its inputs, on its current weights.

    Weights are arguments of the program, so `set_values` and training show at the next call. A
    call gathers them from a flat tuple and walks no tree.
    """

    def __init__(
        self, layer: Tracked, method: str | Callable[..., Any] | None = None
    ) -> None:
        self._layer = layer
        self._method = method or "call"
        self._edition = -1
        self._variables: tuple[Variable, ...] = ()
        self._programs: dict[Any, Any] = {}
        self._seen: list[Any] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if SCOPE.get() is not None:
            return _within(self._layer, self._method, args, kwargs)
        if self._edition != Edition.current:
            self._refresh(args, kwargs)
        if kwargs or not all(isinstance(value, jax.Array) for value in args):
            return self._general(args, kwargs)
        return self._run(self._program(None), args)

    def _run(self, program: Any, arrays: tuple[Any, ...]) -> Any:
        variables = self._variables
        values = tuple([variable._value for variable in variables])
        try:
            outputs, written = program(values, arrays)
        except TypeError:
            if not any(hasattr(value, "recall") for value in values):
                raise
            values = tuple(variable.stored() for variable in variables)
            outputs, written = program(values, arrays)
        for index, value in written.items():
            variables[index].store(value)
        return outputs

    def _refresh(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Something was built, replaced or frozen somewhere: see whether it was here."""
        root = Root(self._layer, self._method, args, kwargs)
        root.ensure()
        if self._form() != self._seen:
            if any(_unbuilt(layer) for _, layer in walk(self._layer).layers.values()):
                root.ensure(again=True)
            self._variables = tuple(v for _, v in walk(self._layer).variables.values())
            self._programs.clear()
            self._seen = self._form()
        self._edition = Edition.current

    def _form(self) -> list[Any]:
        """The tree's layers and variables themselves, where they stand, and what is frozen."""
        tree = walk(self._layer)
        parts: list[Any] = [
            (path, _Same(layer), layer._lamina.trainable) for path, layer in tree.layers.values()
        ]
        return parts + [(path, _Same(v), v.trainable) for path, v in tree.variables.values()]

    def _general(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Arguments by name, nested, or static: arrays are traced, the rest is compiled in."""
        args, kwargs = as_inputs((args, kwargs))
        leaves, structure = jax.tree.flatten((args, kwargs))
        places = tuple(index for index, leaf in enumerate(leaves) if isinstance(leaf, jax.Array))
        static = tuple(None if index in places else leaf for index, leaf in enumerate(leaves))
        arrays = tuple(leaves[index] for index in places)
        return self._run(self._program((structure, places, static)), arrays)

    def _program(self, form: Any) -> Any:
        program = self._programs.get(form)
        if program is None:
            program = self._programs[form] = jax.jit(self._traced(form))
        return program

    def _traced(self, form: Any) -> Any:
        layer, method, variables = self._layer, self._method, self._variables
        positions = {id(variable): index for index, variable in enumerate(variables)}

        def program(values: tuple[Any, ...], arrays: tuple[Any, ...]) -> Any:
            args, kwargs = arrays, {}
            if form is not None:
                structure, places, static = form
                leaves = list(static)
                for index, array in zip(places, arrays, strict=True):
                    leaves[index] = array
                args, kwargs = jax.tree.unflatten(structure, leaves)
            root = Root(layer, method, args, kwargs)
            root.ensure()
            given = {id(v): value for v, value in zip(variables, values, strict=True)}
            outputs, written = root.apply(given)
            return outputs, {positions[key]: value for key, value in written.items()}

        program.__name__ = type(layer).__name__
        return program

    def __repr__(self) -> str:
        return f"lamina.jit({type(self._layer).__name__}.{self._method})"


class Checkpoint:
    """A layer whose activations are computed again in the backward pass; it carries state."""

    def __init__(self, layer: Tracked) -> None:
        self._layer = layer

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        scope = SCOPE.get()
        if scope is None or scope.frame.planner is not None:
            return invoke(self._layer, args, kwargs)
        outer = scope.frame
        variables = [variable for _, variable in walk(self._layer).variables.values()]
        args, kwargs = as_inputs((args, kwargs))
        leaves, structure = jax.tree.flatten((args, kwargs))
        places = [index for index, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)]
        writers: dict[int, Variable] = {}

        def run(values: list[Any], key: Any, arrays: list[Any]) -> Any:
            inputs = list(leaves)
            for index, array in zip(places, arrays, strict=True):
                inputs[index] = array
            inner_args, inner_kwargs = jax.tree.unflatten(structure, inputs)
            given = {id(v): value for v, value in zip(variables, values, strict=True)}
            frame = Frame(outer.root, values=given, path_of=outer.path_of, parent=outer)
            inner = None if key is None else Key(key, trace_state())
            token = SCOPE.set(Scope(frame, scope.layer, scope.training, inner))
            try:
                outputs = invoke(self._layer, inner_args, inner_kwargs)
            finally:
                SCOPE.reset(token)
            for place, count in frame.reads.items():
                outer.reads[place] = outer.reads.get(place, 0) + count
            writers.update(frame.writers)
            return outputs, frame.written

        key = None if scope.key is None else scope.key.value
        reads = dict(outer.reads)
        current = [variable.value for variable in variables]
        outer.reads = reads  # gathering them is not the call's own reading
        outputs, written = jax.checkpoint(run)(current, key, [leaves[index] for index in places])
        for place, value in written.items():
            outer.write(writers[place], value)
        return outputs


def checkpoint(layer: Tracked) -> Checkpoint:
    """A layer that keeps no activations: they are computed again in the backward pass.

    Unlike `jax.checkpoint` around a layer, it carries state that the layer assigns.
    """
    return Checkpoint(layer)


def run_root(layer: Tracked, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a method of a layer as the root, on the weights that it holds."""
    return Root(layer, method, args, kwargs).call()
