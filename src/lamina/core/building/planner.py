"""Planning: what happens while `call` is traced on specs.

A :class:`Planner` is one pass over a tree: it runs the `build` of each layer that is reached
for the first time, records what is declared, read and called, and notices what does not belong.
Attributes that `build` methods set are kept apart from those that `call` sets while tracing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from typing import Any

import jax

from lamina.core.allowance import ALLOWANCE
from lamina.core.building import errors
from lamina.core.building.plan import PlannedCall
from lamina.core.building.reached import Reached, own_build
from lamina.core.interrupts import HeldBack
from lamina.core.jax_internals import is_running, trace_state
from lamina.core.pytrees import leaves_of
from lamina.core.sites import Site, site
from lamina.core.specs.signature import build_arguments, method_of
from lamina.core.specs.spec import Arguments, Sizes, Spec, as_specs, blend, is_unknown, shapes_of
from lamina.core.tree.node import Node, Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import Memento, Tree, join, same_state, state_of, walk
from lamina.errors import BuildError, TrackingError

__all__ = ["Planner"]


class Planner:
    """One pass: the root's `call` traced once or, where it has two modes, twice."""

    def __init__(
        self, root: Tracked, sizes: Sizes, earlier: Planner | None = None, split: bool = False
    ) -> None:
        self.root = root
        self.sizes = sizes
        self.split = split
        self.earlier = {} if earlier is None else earlier.by_path()
        self.misfit: Arguments | None = None
        self.earlier_misfit = None if earlier is None else earlier.misfit
        if earlier is None:
            self.found: Tree = walk(root)
            self.original = Memento()
            self.original.add(root)
        else:  # which left the tree as it was
            self.found, self.original = earlier.found, earlier.original
        self.tree = self.found.copy()
        self.kept = self.original.copy()
        self.reached: dict[int, Reached] = {}
        self.calls: list[PlannedCall] = []
        self.strays: dict[int, tuple[Tracked, Tracked]] = {}  # with the layer that calls it
        self.stray_variables: dict[int, int] = {}
        self.external: dict[int, Tracked | Variable] = {}
        self.foreign: set[int] = set()
        self.used: set[int] = set()
        self.reads_training = False
        self.recording = True
        self.building: list[Tracked] = []
        self.running: list[Tracked] = []
        self.checking: dict[int, Iterator[Variable]] = {}
        self.declared: dict[int, Variable] = {}
        self._allowance = ALLOWANCE.get()
        self._trace: Any = None
        self._zeros: dict[Any, Any] = {}
        if earlier is None:
            for _, layer in self.tree.layers.values():
                self._attach(layer)

    # What calls and builds tell the planner.

    def path_of(self, item: Tracked | Variable) -> str:
        return self.tree.path(item)

    def reach(self, layer: Tracked, method: str, inputs: Any, run: Callable[[], Any]) -> Any:
        """A layer's method is called with `inputs`, an (args, kwargs) pair."""
        if self._allowance is not None:
            leaves = leaves_of(inputs)
            axes = sum(getattr(leaf, "ndim", 0) for leaf in leaves)
            self._allowance.call(id(layer) in self.reached, len(leaves) + axes // 8)
        args, kwargs = inputs
        specs = Arguments(as_specs(args), as_specs(kwargs) if kwargs else {})
        called_at = site()
        record = self.open(layer, method, specs, called_at)
        call = PlannedCall(self.path_of(layer), type(layer).__name__, specs, None, called_at)
        if self.recording:
            self.calls.append(call)
        self.running.append(layer)
        try:
            outputs = run()
        finally:
            self.running.pop()
        call.outputs = as_specs(outputs)
        if record.outputs is None:
            record.outputs = call.outputs
        return outputs

    def open(self, layer: Tracked, method: str, specs: Arguments, called_at: Site) -> Reached:
        """Make sure that the layer's own weights are declared and fit `specs`."""
        record = self.reached.get(id(layer))
        if record is None:
            self._place(layer)
            record = Reached(layer, method, specs, called_at)
            self.reached[id(layer)] = record
            if own_build(layer) is not None:
                built = layer._lamina.built is not None
                (self._must_fit if built else self._build)(layer, record, method, specs)
        elif specs in record.fits or own_build(layer) is None or self.is_building(layer):
            return record
        else:
            self._must_fit(layer, record, method, specs)
        record.fits.append(specs)
        return record

    def declare(self, layer: Tracked, shape: Any, make: Callable[[], Variable]) -> Variable:
        """`add_weight` was called while planning."""
        if id(layer) in self.strays:
            raise TrackingError(errors.stray(self, layer, "has weights"))
        if id(layer) in self.checking:
            return errors.fitting(self, layer, next(self.checking[id(layer)], None), make())
        if not self.building:
            raise TrackingError(errors.weight_in_call(self, layer))
        if is_unknown(shape):
            raise BuildError(errors.unknown_dim(self, layer, shape))
        if self._allowance is not None:
            self._allowance.weight()
        variable = make()
        self.declared[id(variable)] = variable
        record = self.reached.get(id(layer))
        if record is None:
            layer._lamina.loose.append(variable)
        else:
            record.declared.append(variable)
            layer._lamina.declared = record.declared
        return variable

    def read(self, variable: Variable) -> Any:
        """Zeros of the variable's shape, made in the trace that is running."""
        key = id(variable)
        if key in self.stray_variables:
            layer, _ = self.strays[self.stray_variables[key]]
            raise TrackingError(errors.stray(self, layer, "has weights"))
        known = key in self.declared or key in self.tree.variables or key in self.foreign
        if not known:
            self._place_variable(variable)
        self.used.add(key)
        kind = (variable.shape, variable.weight_dtype)
        own = is_running(self._trace)  # an inner trace takes what is made in it along
        zeros = self._zeros.get(kind) if own else None
        if zeros is None:
            zeros = jax.lax.full(variable.shape, 0, variable.weight_dtype)
            if own:
                self._zeros[kind] = zeros
        return zeros

    def draws(self, layer: Tracked) -> None:
        """The layer drew a random key."""
        if id(layer) in self.strays:
            raise TrackingError(errors.stray(self, layer, "draws random numbers"))

    def caller(self) -> Tracked:
        """The layer whose `call` is running."""
        return self.running[-1] if self.running else self.root

    def is_building(self, layer: Tracked) -> bool:
        return any(other is layer for other in self.building)

    def holds(self, layer: Tracked) -> bool:
        """Whether the layer is of this tree."""
        return id(layer) in self.tree.layers

    def is_temporary(self, layer: Tracked) -> bool:
        """Whether the layer was made by a `build` that runs only as a check."""
        return bool(self.checking) and layer._lamina.made_in != 0 and layer._lamina.built is None

    def zeros_for(self, spec: Spec) -> jax.Array:
        return jax.lax.full([self.sizes.of(dim) for dim in spec.shape], 0, spec.dtype)

    @contextlib.contextmanager
    def tracing(self) -> Generator[None]:
        """The trace of the call; nothing that was made in it is held when it ends."""
        self._trace = trace_state()
        if self._allowance is not None:
            self._allowance.trace()
        try:
            yield
        finally:
            self._trace = None
            self._zeros.clear()

    @contextlib.contextmanager
    def aside(self, reads: dict[int, int]) -> Generator[None]:
        """Trace something that the call itself does not do: neither recorded nor counted."""
        before, recording = dict(reads), self.recording
        self.recording = False
        try:
            yield
        finally:
            self.recording = recording
            reads.clear()
            reads.update(before)

    # What the transaction asks for.

    def apply(self) -> None:
        """Put the tree into the state that the builds made."""
        self.kept.restore()
        for record in self.reached.values():
            if record.layer._lamina.built is None:
                record.layer._lamina.declared = record.declared

    def undo(self) -> None:
        """Put the tree back as it was."""
        with HeldBack():
            for record in self.reached.values():
                if record.layer._lamina.built is None:
                    record.layer._lamina.declared = []
            self.original.restore()

    def checkpoint(self) -> dict[str, Any]:
        """What has been found so far, to go back to."""
        found = {name: getattr(self, name).copy() for name in ("reached", "declared", "used")}
        return found | {"kept": self.kept.copy(), "tree": self.tree.copy()}

    def go_back(self, found: dict[str, Any]) -> None:
        for key, record in self.reached.items():
            if key not in found["reached"] and record.layer._lamina.built is None:
                record.layer._lamina.declared = []
        vars(self).update(found)

    # Where things stand.

    def _place(self, layer: Tracked) -> None:
        """Find the layer in the tree, or note that it is not part of it."""
        if id(layer) in self.tree.layers or id(layer) in self.strays:
            return
        if self.building:
            for owner in self.building:
                for name, value in state_of(owner).items():
                    walk(owner, into=self.tree, start=value, path=join(self.path_of(owner), name))
            return  # what its build makes of it is seen in the end
        node: Node = layer._lamina
        below = walk(layer)
        if node.built is not None and not node.trainable:
            self.external[id(layer)] = layer
            for key, (path, inner) in below.layers.items():
                self.tree.layers.setdefault(key, (join(f"<{type(layer).__name__}>", path), inner))
            self.foreign |= set(below.variables)
            return
        for key, (_, inner) in below.layers.items():
            if key not in self.tree.layers:
                self.strays[key] = (inner, self.caller())
        for key, owner in below.owners.items():
            if key not in self.tree.variables:
                self.stray_variables[key] = id(owner)

    def _place_variable(self, variable: Variable) -> None:
        if variable.trainable or not variable.built:
            raise TrackingError(errors.stray_variable(self, variable))
        self.external[id(variable)] = variable
        self.foreign.add(id(variable))

    def _attach(self, layer: Tracked) -> None:
        """Note which of the layer's weights an attribute holds."""
        for variable in (*layer._lamina.loose, *layer._lamina.declared):
            held = id(variable) in self.tree.variables
            variable.attached = variable.attached or (held and self._by_attribute(variable))

    def _by_attribute(self, variable: Variable) -> bool:
        owner = self.tree.owners[id(variable)]
        path, _ = self.tree.variables[id(variable)]
        own = self.tree.path(owner)
        name = path[len(own) + 1 :] if own else path
        return name != variable.name or name in self.original.states[id(owner)][1]

    # Running a `build`.

    def _run(self, layer: Tracked, method: str, specs: Arguments) -> None:
        written = own_build(layer)
        assert written is not None
        named = method_of(type(layer), method).bind(specs.args, specs.kwargs)
        args, kwargs = build_arguments(written, named, shapes_of)
        self.building.append(layer)
        try:
            written(layer, *args, **kwargs)
        except Exception as error:
            known = all(spec.known for spec in specs.leaves())
            hint = "" if known else "; a dim shown as ? is None there"
            errors.note(error, f"in the build of {errors.name(self, layer)}, for {specs}{hint}")
            raise
        finally:
            self.building.pop()

    def _build(self, layer: Tracked, record: Reached, method: str, specs: Arguments) -> None:
        before = Memento()
        before.add(layer)
        self._run(layer, method, self._unknown(layer, specs))
        after = Memento()
        after.add(layer)
        for key, (container, state) in after.states.items():
            earlier = before.states.get(key)
            if earlier is None:
                self.kept.states[key] = (container, state)
            elif not same_state(earlier[1], state):
                self._keep_changes(key, container, earlier[1], state)
        for variable in record.declared:
            variable.attached = id(variable) in self.tree.variables
            if variable.attached is False and variable.name is None:
                raise TrackingError(errors.unkept(self, layer, variable))

    def _keep_changes(self, key: int, container: Any, before: Any, after: Any) -> None:
        kept = self.kept.states.get(key, (container, before))[1]
        if isinstance(container, list):
            self.kept.states[key] = (container, list(after))
            self._rewalk()
            return
        merged = {n: v for n, v in kept.items() if n in after or n not in before}
        changed = {n: v for n, v in after.items() if n not in before or before[n] is not v}
        self.kept.states[key] = (container, merged | changed)
        if not isinstance(container, Tracked):
            self._rewalk()
            return
        path = self.path_of(container)
        for name, value in changed.items():
            walk(container, into=self.tree, start=value, path=join(path, name))

    def _rewalk(self) -> None:
        """A list or dict changed: find out anew what is where."""
        for _, layer in list(self.tree.layers.values()):
            for name, value in state_of(layer).items():
                if isinstance(value, (list, tuple, dict)):
                    walk(layer, into=self.tree, start=value, path=join(self.path_of(layer), name))

    def _check(self, layer: Tracked, record: Reached, method: str, specs: Arguments) -> None:
        """Run `build` again for other shapes: it must ask for the weights that are there."""
        before = Memento()
        before.add(layer)
        weights = layer._lamina.declared or record.declared
        self.checking[id(layer)] = iter(list(weights))
        try:
            self._run(layer, method, specs)
        finally:
            del self.checking[id(layer)]
            before.restore()

    def _must_fit(self, layer: Tracked, record: Reached, method: str, specs: Arguments) -> None:
        try:
            self._check(layer, record, method, specs)
        except errors.MisfitError as misfit:
            self.misfit = specs
            if self.earlier_misfit is not None:  # what moved between the passes is not known
                specs = blend(self.earlier_misfit, specs)
            raise errors.misfit_error(self, layer, record, method, specs, misfit) from None

    def fits(self, layer: Tracked, method: str, specs: Arguments) -> bool:
        """Whether `build` for these shapes asks for the weights that are there."""
        try:
            self._check(layer, Reached(layer, method, specs, site()), method, specs)
        except Exception:
            return False
        return True

    def unknown(self, reached: Reached) -> Arguments:
        return self._unknown(reached.layer, reached.inputs)

    def _unknown(self, layer: Tracked, specs: Arguments) -> Arguments:
        """Specs with None where a size moved between this pass and the one before."""
        record = self.earlier.get(self.path_of(layer))
        return specs if record is None else blend(record.inputs, specs)

    def by_path(self) -> dict[str, Reached]:
        return {self.path_of(record.layer): record for record in self.reached.values()}
