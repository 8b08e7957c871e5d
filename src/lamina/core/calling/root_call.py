"""Calls of root layers: first build, run on stored or explicit values, check of stale traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax

from lamina.core.base.inputs import as_arguments
from lamina.core.base.jax_internals import in_fresh_context, split_axes
from lamina.core.base.lock import BUILD_WAIT, LOCK
from lamina.core.base.pytrees import as_array, map_tree
from lamina.core.base.sites import site
from lamina.core.building.placement import is_placed, placement_for
from lamina.core.building.request import Request
from lamina.core.building.transaction import carry_out
from lamina.core.running import added_losses, errors
from lamina.core.running.computing_calls import GivenCall, LiveCall, WatchedCall
from lamina.core.running.interpreter import Interpreter
from lamina.core.running.keys import Key, as_key, default_key
from lamina.core.running.layer_call import run_layer
from lamina.core.running.scope import as_mode, current, run_in
from lamina.core.specs.signature import key_of, method_of
from lamina.core.specs.spec import Arguments, Spec, as_specs
from lamina.core.tree.build_state import unbuilt
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import store
from lamina.core.tree.walk import walk
from lamina.errors import InputError, LaminaError, TraceError, explain, nearest

__all__ = ["Root", "by_identity", "output_masks"]


class Root:
    """A call of a root layer.

    Args:
        layer: the layer.
        method: the name of the method, or a function that calls the layer.
        args: the positional arguments.
        kwargs: the keyword arguments, with `training` and `rng`.

    Raises:
        InputError: an argument is not valid.
    """

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
        self.rng = None if rng is None else as_key(rng)
        self.args, self.kwargs = as_arguments(args, kwargs, info.label)
        around = current()
        self._masks = None if around is None else around.call.masks
        self.signature = key_of(method, self.training, self.args, self.kwargs)

    def ensure(self, again: bool = False, moves: bool = False) -> dict[int, int]:
        """Plan and build the layer for this call, if needed.

        Args:
            again: whether to plan again although this call was planned; False by default.
            moves: whether a plan moves a built layer to the placement of the `with` block; False
                by default.

        Returns:
            The number of reads of each variable in the plan.
        """
        node = self.layer._lamina
        reads = None if again else node.plans.by_signature(self.signature)
        if reads is not None:
            return reads
        BUILD_WAIT.wait()
        with LOCK:
            reads = None if again else node.plans.by_signature(self.signature)
            if reads is None:
                specs = Arguments(as_specs(self.args), as_specs(self.kwargs))
                covering = node.plans.covering
                reads = None if again else covering(self.method, self.training, specs)
            if reads is None:
                reads = self._plan(specs, moves)  # pyright: ignore
            node.plans.remember(self.signature, reads)
            return reads

    def ensure_all(self, idle: Sequence[Tracked] = (), moves: bool = False) -> dict[int, int]:
        """Plan and build as :meth:`ensure`, also layers that were added since the plan.

        All weights are then on the devices of one placement.

        Args:
            idle: layers that the call does not reach, and which are not built.
            moves: whether a built layer is moved to the placement of the `with` block; False by
                default.
        """
        reads, passed = self.ensure(moves=moves), set(map(id, idle))
        tree = walk(self.layer)
        is_complete = all(id(layer) in passed for layer in unbuilt(tree))
        if is_complete and is_placed(tree, placement_for(self.layer, tree, moves)):
            return reads
        return self.ensure(again=True, moves=moves)

    def _plan(self, specs: Arguments, moves: bool) -> dict[int, int]:
        request = Request(self.layer, self.method, specs, self.training, site())
        whole = map_tree(_whole, (self.args, self.kwargs))
        if whole == (specs.args, specs.kwargs):
            return carry_out(request, moves=moves)[0]
        try:
            split = replace(request, specs=Arguments(*whole), split=True)
            return carry_out(split, moves=moves)[0]
        except LaminaError:
            raise
        except Exception:  # the program may only be valid for these sizes
            return carry_out(request, moves=moves)[0]

    def call(self) -> Any:
        """Run on the stored values, and store the assigned ones."""
        self.ensure()
        outputs, call = self._live()
        if call.written:
            store([call.writers[key] for key in call.written], list(call.written.values()))
        added_losses.collect(self.layer, call.losses)
        return outputs

    def dry_run(self) -> Any:
        """Run on the stored values, and discard assigned ones."""
        return self._live()[0]

    def output_masks(self) -> Any:
        """Run as :meth:`dry_run`, and return the masks of the outputs; None without any."""
        self.ensure()
        outputs, call = self._live()
        return call.masks.of_tree(outputs)

    def _live(self) -> tuple[Any, Interpreter]:
        return self._run(lambda: LiveCall(self.layer, self._grow))

    def run(
        self,
        values: dict[int, Any],
        watch: Callable[[str, str, Any, Any], None] | None = None,
    ) -> tuple[Any, Interpreter]:
        """Run on explicit values, and return the outputs and the call with its effects."""
        return self._run(lambda: GivenCall(self.layer, values, grow=self._grow, watch=watch))

    def apply(
        self,
        values: dict[int, Any],
        watch: Callable[[str, str, Any, Any], None] | None = None,
    ) -> tuple[Any, dict[int, Any]]:
        """Run on explicit values, and return the outputs and the assigned values."""
        outputs, call = self.run(values, watch)
        return outputs, call.written

    def watched(self, watch: Callable[[str, str, Any, Any], None]) -> None:
        """Run on the stored values, and call `watch` for each layer; see :class:`WatchedCall`."""
        self.ensure()
        self.enter(WatchedCall(self.layer, self._grow, watch))

    def _grow(self) -> None:
        run_in(None, lambda: self.ensure(again=True))  # the call that asks is not the build's

    def _run(self, begin: Callable[[], Interpreter]) -> tuple[Any, Interpreter]:
        """Run, and check that all weights were read; if not, run again without cached traces.

        JAX caches traces by function. The cached trace of a function that is kept between calls (in
        an attribute, or a layer passed to `cond`) contains the weights of an earlier call.

        Raises:
            TraceError: a weight was not read.
        """
        call = begin()
        try:
            outputs = self._enter_planned(call)
            if not self._unread(call, self.ensure()):
                return outputs, call
            if not self._unread(call, self.ensure(again=True)):
                return outputs, call
        except jax.errors.UnexpectedTracerError:
            pass
        calls: list[Interpreter] = []

        def run_again() -> Any:
            calls.append(begin())
            return self.enter(calls[-1])

        outputs = in_fresh_context(run_again)
        call = calls[-1]
        unread = self._unread(call, self.ensure())
        if unread:
            names = walk(self.layer).variables
            paths = [names[key][0] for key in unread if key in names]
            raise TraceError(errors.stale(type(self.layer).__name__, paths))
        return outputs, call

    def _enter_planned(self, call: Interpreter) -> Any:
        """Run the root's method, and after an error plan it for the sizes of these inputs.

        Raises:
            InputError: a layer would need other weights for the inputs, which a plan with unknown
                dims did not show.
        """
        try:
            return self.enter(call)
        except (LaminaError, jax.errors.UnexpectedTracerError):
            raise
        except Exception as error:
            try:
                self.ensure(again=True)
            except InputError as mismatch:
                raise mismatch from error
            except Exception:
                pass  # the same error, in the plan
            raise

    def enter(self, call: Interpreter) -> Any:
        """Run the root's method with an interpreter."""
        if self.rng is not None:
            key = Key(self.rng)
        else:
            key = default_key() if isinstance(call, LiveCall) else None
        if self._masks is not None:
            call.masks = self._masks
        return call.around(
            lambda: run_layer(
                call, self.layer, self.method, self.args, self.kwargs, self.training, key
            )
        )

    @staticmethod
    def _unread(call: Interpreter, expected: dict[int, int]) -> list[int]:
        """Return the variables that the call read less often than its plan."""
        if jax.config.jax_disable_jit:  # pyright: ignore[reportAttributeAccessIssue]
            return []  # the number of reads then depends on the number of steps in loops
        return [key for key, count in expected.items() if call.reads.get(key, 0) < count]


def output_masks(layer: Any, inputs: Any, mask: Any) -> Any:
    """Return the masks of a layer's outputs, which its inner layers record in a call.

    Args:
        layer: the layer; its `call` has the arguments ``inputs`` and ``mask``.
        inputs: the inputs.
        mask: their mask; None for no mask.

    Returns:
        A mask, or None, in place of each output.
    """
    scope = current()
    if scope is None:
        return Root(layer, "call", (inputs,), {"mask": mask}).output_masks()
    return scope.call.masks.of_tree(layer(inputs, mask=mask))


def _whole(leaf: Any) -> Any:
    """Return the spec of an array; axes that `shard_map` splits are unknown."""
    spec = as_specs(leaf)
    axes = split_axes(leaf) if isinstance(leaf, jax.Array) else ()
    if not axes:
        return spec
    return Spec(tuple(None if i in axes else d for i, d in enumerate(spec.shape)), spec.dtype)


def by_identity(layer: Tracked, values: Mapping[str, Any]) -> dict[int, Any]:
    """Convert values by path to values by the identity of the variable.

    Raises:
        InputError: a path is missing or unknown, or a value is not an array of the right shape.
    """
    variables = walk(layer).by_path()
    label = type(layer).__name__
    if not isinstance(values, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(
            explain(
                f"The values of {label} are not a dict.",
                where=f"made at {layer._lamina.made_at}",
                expected="{path: array}, as returned by values()",
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
            problems.append(f"not an array: {path}, got {values[path]!r}")
        elif array.shape != variable.shape:
            problems.append(f"wrong shape: {path}, expected {variable.shape}, got {array.shape}")
        found[id(variable)] = array
    if problems:
        hint = nearest(unknown[0], variables) if unknown else "Pass an array for each path."
        raise InputError(
            explain(
                f"The values do not match {label}: {'; '.join(problems)}.",
                where=f"made at {layer._lamina.made_at}",
                expected=f"an array for each of its {len(variables)} paths",
                received=f"{len(values)} entries",
                remedy=hint,
            )
        )
    return found
