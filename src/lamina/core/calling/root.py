"""A root's call: built if need be, run on values, and seen to have read every weight."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax

from lamina.core.building import errors
from lamina.core.building.abstract_trace import Request
from lamina.core.building.reached import unbuilt
from lamina.core.building.transaction import carry_out
from lamina.core.inputs import as_arguments
from lamina.core.jax_internals import in_fresh_context, split_axes, trace_state
from lamina.core.lock import LOCK, TURN
from lamina.core.pytrees import as_array, flatten, map_tree
from lamina.core.running import added_losses
from lamina.core.running.layer_call import enter
from lamina.core.running.scope import Frame, Key, as_key, as_mode
from lamina.core.sites import site
from lamina.core.specs.signature import key_of, method_of
from lamina.core.specs.spec import Arguments, Spec, as_specs
from lamina.core.tree.node import Tracked
from lamina.core.tree.values import reading
from lamina.core.tree.variable import store
from lamina.core.tree.walk import Tree, walk
from lamina.errors import InputError, LaminaError, TraceError, explain, nearest

__all__ = ["Root", "by_identity"]

_KNOWN = 512  # signatures remembered for each root


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
        self.training = as_mode(training, info.training_default)
        self.key = None if rng is None else Key(as_key(rng), trace_state())
        self.args, self.kwargs = as_arguments(args, kwargs, info.label)
        self.signature = key_of(method, self.training, self.args, self.kwargs)

    def ensure(self, again: bool = False) -> dict[int, int]:
        """Build what is not built; how often this call must read each variable."""
        node = self.layer._lamina
        reads = None if again else node.known.get(self.signature)
        if reads is not None:
            return reads
        TURN.wait()
        with LOCK:
            reads = None if again else node.known.get(self.signature)
            if reads is None:
                specs = Arguments(as_specs(self.args), as_specs(self.kwargs))
                reads = None if again else self._planned_before(specs)
            if reads is None:
                reads = self._plan(specs)  # pyright: ignore
            if len(node.known) >= _KNOWN:
                node.known.clear()
            node.known[self.signature] = reads
            return reads

    def ensure_all(self, idle: Sequence[Tracked] = ()) -> dict[int, int]:
        """The same, and build what was added to a tree that had been built for such a call.

        Args:
            idle: layers that are known not to be reached, and so not to be built.
        """
        reads, passed = self.ensure(), set(map(id, idle))
        if any(id(layer) not in passed for layer in unbuilt(walk(self.layer))):
            return self.ensure(again=True)
        return reads

    def _plan(self, specs: Arguments) -> dict[int, int]:
        request = Request(self.layer, self.method, specs, self.training, site())
        whole = map_tree(_whole, (self.args, self.kwargs))
        if whole == (specs.args, specs.kwargs):
            return carry_out(request)
        try:
            return carry_out(replace(request, specs=Arguments(*whole), split=True))
        except LaminaError:
            raise
        except Exception:  # a program for these sizes alone
            return carry_out(request)

    def _planned_before(self, specs: Arguments) -> dict[int, int] | None:
        for method, training, planned, reads in self.layer._lamina.plans:
            if (method, training) == (self.method, self.training) and covers(planned, specs):
                return reads
        return None

    def call(self) -> Any:
        """Run on the weights that the layer holds, and keep what was assigned."""
        self.ensure()
        outputs, frame = self.run(None)
        if frame.written:
            store([frame.writers[key] for key in frame.written], list(frame.written.values()))
        added_losses.collect(self.layer, frame.losses)
        return outputs

    def apply(self, values: dict[int, Any]) -> tuple[Any, dict[int, Any]]:
        """Run on given values; the outputs, and what was assigned."""
        outputs, frame = self.run(values)
        return outputs, frame.written

    def watched(self, watch: Callable[[str, str, Any, Any], None]) -> None:
        """Run for the sake of looking: `watch(path, class, inputs, outputs)` for each call."""
        self.ensure()
        frame = self._frame(None)
        frame.watch = watch
        self._entered(frame)

    def _frame(self, values: dict[int, Any] | None) -> Frame:
        @functools.cache
        def tree() -> Tree:
            return walk(self.layer)

        def grow() -> None:
            self.ensure(again=True)

        return Frame(
            self.layer,
            values=values,
            path_of=lambda item: tree().path(item),
            holds=lambda variable: id(variable) in walk(self.layer).variables,
            grow=grow,
        )

    def run(self, values: dict[int, Any] | None) -> tuple[Any, Frame]:
        """Run, and see that every weight was read; if not, run again where nothing is kept.

        JAX remembers functions that it traced. One that is kept between calls (an attribute, a
        layer given to `cond`) would come back with the weights of then.
        """
        frame = self._frame(values)
        try:
            outputs = self._entered(frame)
            if not self._short(frame, self.ensure()):
                return outputs, frame
            if not self._short(frame, self.ensure(again=True)):
                return outputs, frame
        except jax.errors.UnexpectedTracerError:
            pass
        frames: list[Frame] = []

        def anew() -> Any:
            frames.append(self._frame(values))
            return self._entered(frames[-1])

        outputs = in_fresh_context(anew)
        frame = frames[-1]
        short = self._short(frame, self.ensure())
        if short:
            names = walk(self.layer).variables
            paths = [names[key][0] for key in short if key in names]
            raise TraceError(errors.stale(type(self.layer).__name__, paths))
        return outputs, frame

    def _entered(self, frame: Frame) -> Any:
        if frame.values is not None:
            return self.enter(frame)
        with reading(frame.stored):
            return self.enter(frame)

    def enter(self, frame: Frame) -> Any:
        return enter(
            frame, self.layer, self.method, self.args, self.kwargs, self.training, self.key
        )

    @staticmethod
    def _short(frame: Frame, expected: dict[int, int]) -> list[int]:
        """The variables that the call read less often than its plan did."""
        if jax.config.jax_disable_jit:  # pyright: ignore[reportAttributeAccessIssue]
            return []  # then bodies of loops run as often as the loop does, also never
        return [key for key, count in expected.items() if frame.reads.get(key, 0) < count]


def _whole(leaf: Any) -> Any:
    """The spec of an array; what shard_map has split is not known."""
    spec = as_specs(leaf)
    axes = split_axes(leaf) if isinstance(leaf, jax.Array) else ()
    if not axes:
        return spec
    return Spec(tuple(None if i in axes else d for i, d in enumerate(spec.shape)), spec.dtype)


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
    return flatten((arguments.args, arguments.kwargs), is_leaf=lambda leaf: isinstance(leaf, Spec))


def by_identity(layer: Tracked, values: Mapping[str, Any]) -> dict[int, Any]:
    """Values by path, strictly all of a tree, as values by variable."""
    variables = walk(layer).by_path()
    label = type(layer).__name__
    if not isinstance(values, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(
            explain(
                f"The values of {label} are not a dict.",
                where=f"made at {layer._lamina.made_at}",
                expected="{path: array}, as values() gives it",
                received=f"a {type(values).__name__}",
                remedy="Pass values(), or a dict with its keys.",
            )
        )
    missing = [path for path in variables if path not in values]
    unknown = [path for path in values if path not in variables]
    problems = [f"missing: {path}" for path in missing]
    problems += [f"unknown: {path}" for path in unknown]
    found: dict[int, Any] = {}
    for path, variable in variables.items():
        if path in missing:
            continue
        array = as_array(values[path], f"{label}, in {path!r},")
        if array is None:
            problems.append(f"no array: {path}, got {values[path]!r}")
        elif array.shape != variable.shape:
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
