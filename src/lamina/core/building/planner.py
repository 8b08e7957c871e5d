"""The planner: records what the layers of a tree declare, read and call in an abstract trace.

It runs the `build` method of each layer that is called for the first time. Attributes that `build`
methods set are kept; those that `call` sets in the trace are discarded.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from lamina.core.base.interrupts import DeferredSignals
from lamina.core.base.load_limits import ALLOWANCE
from lamina.core.base.sites import Site
from lamina.core.building import errors
from lamina.core.building.plan import PlannedCall
from lamina.core.building.recording import Recording
from lamina.core.running.errors import add_layer_note
from lamina.core.specs.build_arguments import build_arguments
from lamina.core.specs.merging import merge_specs
from lamina.core.specs.signature import method_of
from lamina.core.specs.spec import Arguments, is_unknown, shapes_of
from lamina.core.specs.trial_sizes import TrialSizes
from lamina.core.tree.build_state import own_build
from lamina.core.tree.memento import Memento, Snapshot, same_state, state_of
from lamina.core.tree.node import Built, Node, Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import join, walk
from lamina.errors import BuildError, TrackingError

__all__ = ["Mismatch", "Planner"]

Mismatch = tuple[Arguments, errors.WeightMismatchError]
"""Inputs for which a layer would need other weights, and the weight whose shape differs."""


class Planner:
    """The state of one pass, which traces the root's `call` in one or both training modes.

    Args:
        root: the layer to plan.
        sizes: the trial sizes of unknown dims in this pass.
        earlier: the previous successful pass, with other trial sizes; None (default) for the first.
        earlier_mismatch: the mismatch of a failed pass; None (default) if there was none.
        split: whether dims are unknown because `shard_map` splits them; False by default.
        believe: whether the root's own `compute_output_shape` is used; True by default.

    Attributes:
        mismatch: the inputs for which a layer would need other weights, and the weight whose shape
            differs; None if there are none.
        earlier_mismatch: the same of a failed pass.
        stuck: whether a `build` has failed although unknown dims were None for it.
        believed: whether the outputs of a layer were replaced by those of its own
            `compute_output_shape`.
        before: the state of the tree before the plan.
        tree: the layers and variables found so far.
        kept: the attributes of layers, with those that `build` methods set.
        flags: the flags `trainable` and `inherits` that `build` methods set.
        reached: the layers that were called, by identity.
        records: how each of them was called first.
        weights: the variables that each of them declared.
        checked: the specs for which each of them has valid weights.
        calls: the planned calls.
        untracked: the layers that are used but not in the tree, each with the layer that calls it.
        untracked_variables: their variables, each with the identity of its layer.
        external: the frozen models and variables outside of the tree that are used.
        foreign: the identities of the external variables.
        used: the identities of the variables that were read.
        reads_training: whether a called method depends on the training mode.
        building: the layers whose `build` is running, outermost first.
        checking: the existing weights of the layers whose `build` runs again as a check.
        declared: all variables that were declared.
        allowance: the limits of the file that is being loaded; None otherwise.
        running: the indices of the planned calls that are running, outermost first.
        recording: what the trace records for reports; None for nothing.
    """

    def __init__(
        self,
        root: Tracked,
        sizes: TrialSizes,
        earlier: Planner | None = None,
        earlier_mismatch: Mismatch | None = None,
        split: bool = False,
        believe: bool = True,
    ) -> None:
        self.root = root
        self.sizes = sizes
        self.split = split
        self.believe = believe
        self.earlier = {} if earlier is None else earlier.by_path()
        self.mismatch: Mismatch | None = None
        self.earlier_mismatch = earlier_mismatch
        self.stuck = self.believed = False
        self.before = Snapshot(root) if earlier is None else earlier.before
        self.tree = self.before.tree.copy()
        self.kept = self.before.attributes.copy()
        self.flags: list[tuple[Node, bool, bool]] = []
        self.reached: dict[int, Tracked] = {}
        self.records: dict[int, Built] = {}
        self.weights: dict[int, list[Variable]] = {}
        self.checked: dict[int, list[Arguments]] = {}
        self.calls: list[PlannedCall] = []
        self.untracked: dict[int, tuple[Tracked, Tracked]] = {}
        self.untracked_variables: dict[int, int] = {}
        self.external: dict[int, Tracked | Variable] = {}
        self.foreign: set[int] = set()
        self.used: set[int] = set()
        self.reads_training = False
        self.building: list[Tracked] = []
        self.checking: dict[int, Iterator[Variable]] = {}
        self.declared: dict[int, Variable] = {}
        self.allowance = ALLOWANCE.get()
        self.running: list[int] = []
        self.recording: Recording | None = None
        if earlier is None:
            for _, layer in self.tree.layers.values():
                self._attach(layer)

    def fork(self) -> Planner:
        """Return an independent copy of this planner."""
        twin = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | list | set):
                setattr(twin, name, value.copy())  # pyright: ignore[reportUnknownMemberType]
        twin.checked = {key: list(specs) for key, specs in self.checked.items()}
        twin.tree, twin.kept = self.tree.copy(), self.kept.copy()
        return twin

    # Events of calls and builds.

    def path_of(self, item: Tracked | Variable) -> str:
        """Return the path of a layer or variable."""
        return self.tree.path(item)

    def name(self, layer: Tracked) -> str:
        """Return the path and class of a layer, as its name in errors."""
        return errors.layer_name(self, layer)

    def open(
        self, layer: Tracked, method: str, specs: Arguments, called_at: Site, caller: Tracked
    ) -> Built:
        """Record a call of a layer, and declare or check its weights for the specs.

        Args:
            layer: the layer that is called.
            method: the name of the method.
            specs: the specs of its inputs.
            called_at: the line of the call.
            caller: the layer whose `call` is running.

        Returns:
            The record of the layer's first call.
        """
        record = self.records.get(id(layer))
        if record is None:
            self._place(layer, caller)
            record = self.records[id(layer)] = Built(called_at, method, specs)
            self.reached[id(layer)] = layer
            self.weights[id(layer)] = []
            self.checked[id(layer)] = []
            if own_build(layer) is not None:
                built = layer._lamina.built is not None
                (self._check_weights if built else self._build)(layer, method, specs)
        elif (
            specs in self.checked[id(layer)] or own_build(layer) is None or self.is_building(layer)
        ):
            return record
        else:
            self._check_weights(layer, method, specs)
        self.checked[id(layer)].append(specs)
        return record

    def declare(self, layer: Tracked, shape: Any, make: Callable[[], Variable]) -> Variable:
        """Declare a weight, for `add_weight`; see :meth:`Interpreter.declare`.

        Raises:
            TrackingError: the layer is not tracked, or its `call` is running.
            BuildError: the shape depends on an unknown dim.
        """
        if id(layer) in self.untracked:
            raise self.untracked_error(layer, "has weights")
        if id(layer) in self.checking:
            return errors.matching_weight(next(self.checking[id(layer)], None), make())
        if not self.building:
            raise TrackingError(errors.weight_in_call(self.name(layer)))
        if is_unknown(shape):
            record = self.records.get(id(layer))
            inputs = None if record is None else self.without_unknown(layer, record.inputs)
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
        """Record a read of a variable.

        Raises:
            TrackingError: the variable is neither in the tree nor in a frozen model.
        """
        key = id(variable)
        if key in self.untracked_variables:
            layer, _ = self.untracked[self.untracked_variables[key]]
            raise self.untracked_error(layer, "has weights")
        if variable.is_encoded and self.tree.owners.get(key, caller) is not caller:
            raise TrackingError(errors.encoded_variable(self.path_of(variable), variable, caller))
        if key not in self.declared and key not in self.tree.variables and key not in self.foreign:
            if variable.trainable or not variable.built:
                raise TrackingError(errors.untracked_variable(variable, caller))
            self.external[key] = variable
            self.foreign.add(key)
        self.used.add(key)

    def untracked_error(self, layer: Tracked, reason: str) -> TrackingError:
        """Return the error of a layer that is used but is not in the tree."""
        _, caller = self.untracked[id(layer)]
        path = self.path_of(caller)
        return TrackingError(errors.untracked_layer(layer, reason, caller, path))

    def is_building(self, layer: Tracked) -> bool:
        """Return whether the `build` of a layer is running."""
        return any(other is layer for other in self.building)

    def holds(self, layer: Tracked) -> bool:
        """Return whether a layer is in the tree."""
        return id(layer) in self.tree.layers

    def is_temporary(self, layer: Tracked) -> bool:
        """Return whether a layer was created by a `build` that runs only as a check."""
        return bool(self.checking) and layer._lamina.made_in != 0 and layer._lamina.built is None

    def knows_sizes(self, layer: Tracked) -> bool:
        """Return whether unknown sizes are None for a layer now, rather than trial sizes.

        That is so in its `build` after the first pass. In `call`, unknown dims have trial sizes.
        """
        in_build = bool(self.earlier) and not self.checking and self.is_building(layer)
        return in_build or not self.sizes.trial

    # Results.

    def apply(self) -> None:
        """Set the tree to its state after the builds."""
        self.before.restore_nodes()
        for node, trainable, inherits in self.flags:
            node.trainable, node.inherits = trainable, inherits
        self.kept.restore()
        for key, layer in self.reached.items():
            if layer._lamina.built is None:
                layer._lamina.declared = self.weights[key]

    def undo(self) -> None:
        """Restore the tree to its state before the plan."""
        with DeferredSignals():
            self.before.restore()

    # The places of layers in the tree.

    def _place(self, layer: Tracked, caller: Tracked) -> None:
        """Find the layer in the tree, or record that it is external or untracked."""
        if id(layer) in self.tree.layers or id(layer) in self.untracked:
            return
        if self.building:
            for owner in self.building:
                for name, value in state_of(owner).items():
                    walk(owner, into=self.tree, start=value, path=join(self.path_of(owner), name))
            return  # whether the build keeps it is checked at the end
        node = layer._lamina
        below = walk(layer)
        trained = any(variable.trainable for _, variable in below.variables.values())
        if node.built is not None and not node.trainable and not trained:
            self.external[id(layer)] = layer
            for key, (path, inner) in below.layers.items():
                self.tree.layers.setdefault(key, (join(f"<{type(layer).__name__}>", path), inner))
            self.foreign |= set(below.variables)
            return
        for key, (_, inner) in below.layers.items():
            if key not in self.tree.layers:
                self.untracked[key] = (inner, caller)
        for key, owner in below.owners.items():
            if key not in self.tree.variables:
                self.untracked_variables[key] = id(owner)

    def _attach(self, layer: Tracked) -> None:
        """Record which weights of a layer are held by attributes."""
        for variable in (*layer._lamina.loose, *layer._lamina.declared):
            held = id(variable) in self.tree.variables
            variable.attached = variable.attached or (held and self._by_attribute(variable))

    def _by_attribute(self, variable: Variable) -> bool:
        owner = self.tree.owners[id(variable)]
        path, _ = self.tree.variables[id(variable)]
        own = self.tree.path(owner)
        name = path[len(own) + 1 :] if own else path
        return name != variable.given_name or name in self.before.attributes.states[id(owner)][1]

    # Execution of `build` methods.

    def _run(self, layer: Tracked, method: str, specs: Arguments) -> None:
        written = own_build(layer)
        assert written is not None
        info = method_of(type(layer), method)
        named = info.bind(specs.args, specs.kwargs)
        args, kwargs = build_arguments(
            written, named, shapes_of, info if method == "call" else None
        )
        self.building.append(layer)
        try:
            written(layer, *args, **kwargs)
        except Exception as error:
            known = all(spec.known for spec in specs.leaves())
            self.stuck = self.stuck or not known
            hint = "" if known else "; dims shown as ? are None in build"
            add_layer_note(error, f"in the build of {self.name(layer)}, for {specs}{hint}")
            raise
        finally:
            self.building.pop()

    def _build(self, layer: Tracked, method: str, specs: Arguments) -> None:
        before = Memento()
        before.add(layer)
        flags = [(one._lamina, one._lamina.trainable) for one in before.layers()]
        self._run(layer, method, self.without_unknown(layer, specs))
        changed = [node for node, old in flags if node.trainable is not old]
        self.flags += [(node, node.trainable, node.inherits) for node in changed]
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
            if variable.attached is False and variable.given_name is None:
                raise TrackingError(errors.unnamed_weight(self.name(layer), variable))

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
        """Walk over the lists, tuples and dicts of all layers again, after a change of one."""
        for _, layer in list(self.tree.layers.values()):
            for name, value in state_of(layer).items():
                if isinstance(value, (list, tuple, dict)):
                    walk(layer, into=self.tree, start=value, path=join(self.path_of(layer), name))

    def _check_weights(self, layer: Tracked, method: str, specs: Arguments) -> None:
        """Run `build` again for other shapes, and check that it declares the same weights.

        Raises:
            InputError: it declares other weights.
        """
        before = Memento()
        before.add(layer)
        weights = layer._lamina.declared or self.weights[id(layer)]
        self.checking[id(layer)] = iter(list(weights))
        try:
            self._run(layer, method, specs)
        except errors.WeightMismatchError as mismatch:
            self.mismatch = specs, mismatch
            if self.earlier_mismatch is not None:  # dims that differ between the passes are unknown
                specs = merge_specs(self.earlier_mismatch[0], specs)
            built = layer._lamina.built
            first = built or self.records[id(layer)]
            place = f"{'first called' if built is None else 'built'} at {first.at}"
            name = self.name(layer)
            raise errors.input_mismatch(name, place, first.inputs, specs, mismatch) from None
        finally:
            del self.checking[id(layer)]
            before.restore()

    def without_unknown(self, layer: Tracked, specs: Arguments) -> Arguments:
        """Return specs with None for the dims that differ between this pass and the previous."""
        record = self.earlier.get(self.path_of(layer))
        return specs if record is None else merge_specs(record.inputs, specs)

    def by_path(self) -> dict[str, Built]:
        """Return the record of each layer that was called, by path."""
        return {self.path_of(layer): self.records[key] for key, layer in self.reached.items()}
