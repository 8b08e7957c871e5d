"""The interpreter of planned calls: layers are built when called, and weights read as zeros."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import jax

from lamina.core.base.jax_internals import is_running
from lamina.core.base.pytrees import leaves_of
from lamina.core.base.sites import edge, site
from lamina.core.building.output_shapes import own_output_shape, with_own_shapes
from lamina.core.building.plan import PlannedCall
from lamina.core.building.planner import Planner
from lamina.core.building.recording import SCOPE_NAME, Recording
from lamina.core.building.request import base_build, request_for
from lamina.core.running.interpreter import Interpreter, Runner, Step
from lamina.core.running.layer_call import run_layer
from lamina.core.running.precision import cast_floating
from lamina.core.running.scope import current
from lamina.core.specs.signature import method_of
from lamina.core.specs.spec import Arguments, Spec, as_specs
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Tree, children
from lamina.errors import TraceError, explain

__all__ = ["PlanCall"]


class PlanCall(Interpreter):
    """One abstract trace of a root's call, whose events a :class:`Planner` records.

    Args:
        planner: the planner.
        recorded: whether calls of layers are added to the plan; True by default.
        parent: the call that contains this one; None (default) for the call of the root.
    """

    def __init__(
        self, planner: Planner, *, recorded: bool = True, parent: Interpreter | None = None
    ) -> None:
        super().__init__(planner.root, parent=parent)
        self.planner = planner
        self._recorded = recorded
        self._builds = len(planner.building)  # a longer list means a build within this call
        self._running: list[Tracked] = []
        self._zeros: dict[Any, Any] = {}
        if planner.allowance is not None and parent is None:
            planner.allowance.trace()

    @property
    def tree(self) -> Tree:
        return self.planner.tree

    def _unwritten(self, variable: Variable) -> Any:
        """Return zeros of the variable's shape, created in the running trace."""
        self.planner.reads(variable, self._caller())
        kind = (variable.copy_shape, variable.weight_dtype)
        own = is_running(self.state)  # zeros of an inner trace must not be used outside of it
        recording = self.planner.recording
        own = own and recording is None  # a recording tells weights of the same shape apart
        zeros = self._zeros.get(kind) if own else None
        if zeros is None:
            zeros = jax.lax.full(variable.copy_shape, 0, variable.weight_dtype)
            if own:
                self._zeros[kind] = zeros
        if recording is not None:
            recording.read(id(variable), zeros)
        return zeros

    def shape_of(self, variable: Variable) -> tuple[int, ...]:
        return variable.copy_shape

    def assign(self, variable: Variable, value: Any) -> None:
        if len(self.planner.building) > self._builds:
            raise TraceError(
                explain(
                    f"{self.path_of(variable)} is assigned inside build, before it has a value.",
                    where=f"declared at {variable.declared_at}",
                    expected="an initial value from the initializer",
                    received="assign() in build",
                    remedy="Pass an initializer of this value to add_weight.",
                )
            )
        super().assign(variable, value)

    def run(
        self,
        layer: Tracked,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: dict[str, Any],
    ) -> Any:
        planner = self.planner
        if options and method_of(type(layer), method).reads_training:
            planner.reads_training = True
        if planner.allowance is not None:
            leaves = leaves_of((args, kwargs))
            axes = sum(getattr(leaf, "ndim", 0) for leaf in leaves)
            planner.allowance.call(id(layer) in planner.records, len(leaves) + axes // 8)
        specs = Arguments(as_specs(args), as_specs(kwargs) if kwargs else {})
        called_at = site(sys._getframe(1))  # not this frame, which may be an edge
        with edge(_RUN, called_at):
            record = planner.open(layer, method, specs, called_at, self._caller())
            caller = planner.running[-1] if planner.running else -1
            planned = PlannedCall(
                self.path_of(layer), type(layer).__name__, specs, None, called_at, method, caller
            )
            depth, index = len(planner.running), len(planner.calls)
            if self._recorded:
                planner.calls.append(planned)
                planner.running.append(index)
            self._running.append(layer)
            try:
                if planner.recording is None or not self._recorded:
                    outputs = getattr(layer, method)(*args, **kwargs, **options)
                else:
                    outputs = _recorded(
                        planner.recording, index, getattr(layer, method), args, kwargs, options
                    )
            finally:
                self._running.pop()
                del planner.running[depth:]
        scope = current()
        if scope is not None and scope.output_dtype is not None:
            outputs = cast_floating(outputs, scope.output_dtype)
        own = self._own_output_shape(layer, method)
        if own is None:
            planned.outputs = as_specs(outputs)
        else:
            computed, planned.outputs = with_own_shapes(layer, own, specs, outputs)
            planner.believed = planner.believed or computed is not outputs
            outputs = computed
        if record.outputs is None:
            record.outputs = planned.outputs
        return outputs

    def _own_output_shape(self, layer: Tracked, method: str) -> Callable[..., Any] | None:
        """Return the `compute_output_shape` of a layer's class, if it gives the outputs' shapes.

        If all sizes are known, the trace gives them.
        """
        planner = self.planner
        if not planner.sizes.trial or method != "call":
            return None
        return None if layer is planner.root and not planner.believe else own_output_shape(layer)

    def declare(self, layer: Tracked, shape: Any, make: Callable[[], Variable]) -> Variable:
        return self.planner.declare(layer, shape, make)

    def build(
        self,
        layer: Tracked,
        written: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        transaction: Callable[[Tracked, tuple[Any, ...], dict[str, Any]], None],
    ) -> None:
        """`layer.build(...)` inside another layer's `build`, or `super().build(...)`."""
        planner = self.planner
        if planner.is_building(layer):
            return written(layer, *args, **kwargs)
        if not args and not kwargs:
            base_build(layer)
        if planner.is_temporary(layer):
            return None
        request, _ = request_for(layer, args, kwargs)
        planner.open(layer, "call", request.specs, request.at, self._caller())
        scope = current()
        if scope is not None and children(layer):
            inputs = request.specs.map(self._zeros_for)
            mode, key = scope.training, scope.key
            run_layer(self._aside(), layer, "call", inputs.args, inputs.kwargs, mode, key)
        return None

    def warn_of_lost_mask(self, layer: Tracked) -> None:
        """Nothing: the call that is planned will warn."""

    def drawing(self, layer: Tracked) -> None:
        if id(layer) in self.planner.untracked:
            raise self.planner.untracked_error(layer, "draws random numbers")

    def is_visible(self, variable: Variable) -> bool:
        return True

    def known_sizes(self, layer: Tracked, sizes: tuple[Any, ...]) -> tuple[int | None, ...]:
        if not self.planner.knows_sizes(layer):
            return (None,) * len(sizes)
        # A size of 0 may be computed from an unknown dim.
        open_dims = self.planner.sizes.trial
        return tuple(None if size == 0 and open_dims else size for size in sizes)

    def known_specs(self, layer: Tracked, specs: Arguments) -> Arguments:
        planner = self.planner
        if not planner.sizes.trial:
            return specs
        if id(layer) not in planner.records and self.path_of(layer) in planner.earlier:
            return planner.without_unknown(layer, specs)
        return specs.map(lambda spec: Spec((None,) * spec.ndim, spec.dtype))

    def child(
        self, values: Mapping[int, Any], indices: Mapping[str, Any] | None = None
    ) -> Interpreter:
        """Return a call of the same plan, in which weights also read as zeros."""
        return PlanCall(self.planner, recorded=self._recorded, parent=self)

    def run_copies(self, layer: Tracked, runner: Runner, step: Step) -> Any:
        """Plan one copy, for all copies."""
        return runner.plan(lambda inputs: step(self, inputs))

    def tracing(self, layer: Tracked) -> Interpreter | None:
        """Plan `apply` of a layer of this tree as a call within this one."""
        return self._aside() if self.planner.holds(layer) else None

    def _aside(self) -> PlanCall:
        """Return a call that the plan does not list, and whose reads are not counted."""
        return PlanCall(self.planner, recorded=False, parent=self)

    def _caller(self) -> Tracked:
        """Return the layer whose `call` is running."""
        if self._running:
            return self._running[-1]
        return self.parent._caller() if isinstance(self.parent, PlanCall) else self.root

    def _zeros_for(self, spec: Spec) -> jax.Array:
        return jax.lax.full(self.planner.sizes.shape(spec.shape), 0, spec.dtype)


def _recorded(
    recording: Recording,
    index: int,
    method: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: dict[str, Any],
) -> Any:
    """Run a method in a scope of its own, and record its inputs and outputs."""
    recording.begin()
    recording.inputs[index] = recording.add((args, kwargs))
    with jax.named_scope(f"{SCOPE_NAME}{index}"):
        outputs = method(*args, **kwargs, **options)
    recording.outputs[index] = recording.add(outputs)
    return outputs


_RUN = PlanCall.run.__code__
