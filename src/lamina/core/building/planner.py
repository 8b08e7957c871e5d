"""The planner: what is found about a tree while `call` is traced on specs.

A :class:`Planner` is one pass over a tree. It runs the `build` of each layer that is called for
the first time, and records what is declared, read and called. Attributes that `build` methods set
are kept apart from those that `call` sets while it is traced.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from lamina.core.base.allowance import ALLOWANCE
from lamina.core.base.interrupts import DeferredSignals
from lamina.core.base.sites import Site
from lamina.core.building import errors
from lamina.core.building.plan import PlannedCall
from lamina.core.running.errors import note
from lamina.core.specs.signature import build_arguments, method_of
from lamina.core.specs.spec import Arguments, Sizes, is_unknown, merge_specs, shapes_of
from lamina.core.tree.memento import Memento, Snapshot, same_state, state_of
from lamina.core.tree.node import Built, Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import join, own_build, walk
from lamina.errors import BuildError, TrackingError

__all__ = ["Planner"]


class Planner:
    """One pass: the root's `call` traced once or, where it has two modes, twice.

    Args:
        root: the layer to plan.
        sizes: the sizes that unknown dims have in this pass.
        earlier: the pass before, with other sizes; None (default) for none.
        split: whether dims are unknown because `shard_map` has split them.
    """

    def __init__(
        self, root: Tracked, sizes: Sizes, earlier: Planner | None = None, split: bool = False
    ) -> None:
        self.root = root
        self.sizes = sizes
        self.split = split
        self.earlier = {} if earlier is None else earlier.by_path()
        self.misfit: Arguments | None = None
        self.earlier_misfit = None if earlier is None else earlier.misfit
        self.before = Snapshot(root) if earlier is None else earlier.before
        self.tree = self.before.tree.copy()
        self.kept = self.before.attributes.copy()
        self.reached: dict[int, Tracked] = {}
        self.records: dict[int, Built] = {}
        self.weights: dict[int, list[Variable]] = {}
        self.checked: dict[int, list[Arguments]] = {}
        self.calls: list[PlannedCall] = []
        self.strays: dict[int, tuple[Tracked, Tracked]] = {}  # with the layer that calls it
        self.stray_variables: dict[int, int] = {}
        self.external: dict[int, Tracked | Variable] = {}
        self.foreign: set[int] = set()
        self.used: set[int] = set()
        self.reads_training = False
        self.building: list[Tracked] = []
        self.checking: dict[int, Iterator[Variable]] = {}
        self.declared: dict[int, Variable] = {}
        self.allowance = ALLOWANCE.get()
        if earlier is None:
            for _, layer in self.tree.layers.values():
                self._attach(layer)

    def fork(self) -> Planner:
        """A planner that goes on from here, and leaves this one as it is."""
        twin = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | list | set):
                setattr(twin, name, value.copy())  # pyright: ignore[reportUnknownMemberType]
        twin.checked = {key: list(specs) for key, specs in self.checked.items()}
        twin.tree, twin.kept = self.tree.copy(), self.kept.copy()
        return twin

    # What calls and builds report.

    def path_of(self, item: Tracked | Variable) -> str:
        return self.tree.path(item)

    def name(self, layer: Tracked) -> str:
        """The layer's path and class, as errors name it."""
        return errors.layer_name(self, layer)

    def open(
        self, layer: Tracked, method: str, specs: Arguments, called_at: Site, caller: Tracked
    ) -> Built:
        """Make sure that the layer's own weights are declared and fit `specs`."""
        record = self.records.get(id(layer))
        if record is None:
            self._place(layer, caller)
            record = self.records[id(layer)] = Built(called_at, method, specs)
            self.reached[id(layer)] = layer
            self.weights[id(layer)] = []
            self.checked[id(layer)] = []
            if own_build(layer) is not None:
                built = layer._lamina.built is not None
                (self._must_fit if built else self._build)(layer, method, specs)
        elif (
            specs in self.checked[id(layer)] or own_build(layer) is None or self.is_building(layer)
        ):
            return record
        else:
            self._must_fit(layer, method, specs)
        self.checked[id(layer)].append(specs)
        return record

    def declare(self, layer: Tracked, shape: Any, make: Callable[[], Variable]) -> Variable:
        """`add_weight` was called while planning."""
        if id(layer) in self.strays:
            raise self.stray(layer, "has weights")
        if id(layer) in self.checking:
            return errors.fitting(next(self.checking[id(layer)], None), make())
        if not self.building:
            raise TrackingError(errors.weight_in_call(self.name(layer)))
        if is_unknown(shape):
            record = self.records.get(id(layer))
            inputs = None if record is None else self._unknown(layer, record.inputs)
            raise BuildError(errors.unknown_dim(self.name(layer), shape, inputs, self.split))
        if self.allowance is not None:
            self.allowance.weight()
        variable = make()
        self.declared[id(variable)] = variable
        weights = self.weights.get(id(layer))
        if weights is None:
            layer._lamina.loose.append(variable)
        else:
            weights.append(variable)
            layer._lamina.declared = weights
        return variable

    def reads(self, variable: Variable, caller: Tracked) -> None:
        """The variable was read: it must be one of the tree, or of a frozen model outside."""
        key = id(variable)
        if key in self.stray_variables:
            layer, _ = self.strays[self.stray_variables[key]]
            raise self.stray(layer, "has weights")
        if key not in self.declared and key not in self.tree.variables and key not in self.foreign:
            if variable.trainable or not variable.built:
                raise TrackingError(errors.stray_variable(variable, caller))
            self.external[key] = variable
            self.foreign.add(key)
        self.used.add(key)

    def stray(self, layer: Tracked, what: str) -> TrackingError:
        """The error of a layer that is used and is not in the tree."""
        _, caller = self.strays[id(layer)]
        return TrackingError(errors.stray(layer, what, caller, self.path_of(caller)))

    def is_building(self, layer: Tracked) -> bool:
        return any(other is layer for other in self.building)

    def holds(self, layer: Tracked) -> bool:
        """Whether the layer is of this tree."""
        return id(layer) in self.tree.layers

    def is_temporary(self, layer: Tracked) -> bool:
        """Whether the layer was made by a `build` that runs only as a check."""
        return bool(self.checking) and layer._lamina.made_in != 0 and layer._lamina.built is None

    def knows_sizes(self, layer: Tracked) -> bool:
        """Whether sizes that a layer sees are those of its inputs, and None where unknown.

        Unknown dims have sizes for as long as a plan is traced. In the second pass the layer's
        `build` gets None for them.
        """
        told = bool(self.earlier) and not self.checking and self.is_building(layer)
        return told or self.sizes.nameless == 1

    # What the transaction asks for.

    def apply(self) -> None:
        """Put the tree into the state that the builds made."""
        self.before.restore_nodes()
        self.kept.restore()
        for key, layer in self.reached.items():
            if layer._lamina.built is None:
                layer._lamina.declared = self.weights[key]

    def undo(self) -> None:
        """Put the tree back as it was."""
        with DeferredSignals():
            self.before.restore()

    # Where layers are.

    def _place(self, layer: Tracked, caller: Tracked) -> None:
        """Find the layer in the tree, or note that it is not part of it."""
        if id(layer) in self.tree.layers or id(layer) in self.strays:
            return
        if self.building:
            for owner in self.building:
                for name, value in state_of(owner).items():
                    walk(owner, into=self.tree, start=value, path=join(self.path_of(owner), name))
            return  # what its build makes of it is seen in the end
        node = layer._lamina
        below = walk(layer)
        if node.built is not None and not node.trainable:
            self.external[id(layer)] = layer
            for key, (path, inner) in below.layers.items():
                self.tree.layers.setdefault(key, (join(f"<{type(layer).__name__}>", path), inner))
            self.foreign |= set(below.variables)
            return
        for key, (_, inner) in below.layers.items():
            if key not in self.tree.layers:
                self.strays[key] = (inner, caller)
        for key, owner in below.owners.items():
            if key not in self.tree.variables:
                self.stray_variables[key] = id(owner)

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
        return name != variable.name or name in self.before.attributes.states[id(owner)][1]

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
            note(error, f"in the build of {self.name(layer)}, for {specs}{hint}")
            raise
        finally:
            self.building.pop()

    def _build(self, layer: Tracked, method: str, specs: Arguments) -> None:
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
        for variable in self.weights[id(layer)]:
            variable.attached = id(variable) in self.tree.variables
            if variable.attached is False and variable.name is None:
                raise TrackingError(errors.unkept(self.name(layer), variable))

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

    def _must_fit(self, layer: Tracked, method: str, specs: Arguments) -> None:
        """Run `build` again for other shapes: it must ask for the weights that are there."""
        before = Memento()
        before.add(layer)
        weights = layer._lamina.declared or self.weights[id(layer)]
        self.checking[id(layer)] = iter(list(weights))
        try:
            self._run(layer, method, specs)
        except errors.MisfitError as misfit:
            self.misfit = specs
            if self.earlier_misfit is not None:  # what moved between the passes is not known
                specs = merge_specs(self.earlier_misfit, specs)
            built = layer._lamina.built
            first = built or self.records[id(layer)]
            place = f"{'first called' if built is None else 'built'} at {first.at}"
            raise errors.misfit(self.name(layer), place, first.inputs, specs, misfit) from None
        finally:
            del self.checking[id(layer)]
            before.restore()

    def _unknown(self, layer: Tracked, specs: Arguments) -> Arguments:
        """Specs with None where a size moved between this pass and the one before."""
        record = self.earlier.get(self.path_of(layer))
        return specs if record is None else merge_specs(record.inputs, specs)

    def by_path(self) -> dict[str, Built]:
        """What each layer that was reached was first called with."""
        return {self.path_of(layer): self.records[key] for key, layer in self.reached.items()}
