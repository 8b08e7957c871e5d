"""The loan of a model's arrays to training: copied, donated from step to step, and returned."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.base.host_memory import copied
from lamina.core.base.inputs import as_inputs
from lamina.core.base.interrupts import DeferredSignals
from lamina.core.base.lock import BUILD_WAIT, LOCK
from lamina.core.building.placement import current_placement
from lamina.core.tree.build_state import unused_layers
from lamina.core.tree.changes import ChangeDetector
from lamina.core.tree.node import Tracked
from lamina.core.tree.trainable import frozen_variables
from lamina.core.tree.values import assign_together
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import walk
from lamina.errors import explain
from lamina.training.step.carry import Carry
from lamina.training.step.model_call import ModelCall, unbuilt_layers
from lamina.training.step.named_arrays import (
    like,
    moved,
    restored,
    without_accumulators,
)
from lamina.training.step.objective import Objective
from lamina.training.step.own_program import OwnProgram
from lamina.training.step.program import Program

if TYPE_CHECKING:
    from lamina.training.optimizers.applying import Applying

__all__ = ["WeightLoan", "seed_of"]


class WeightLoan:
    """Lends the arrays of a model's variables to the steps of training.

    While arrays are on loan, the variables hold the loan in their place: reading a variable calls
    :meth:`recall`, which ends the loan. The next step begins a new one.

    Args:
        model: the layer.
        objective: the loss and metrics.
        applying: the optimizer.
        jit: whether programs are compiled.
        seed: of dropout and of the order of the data; None for the seed of the weights.
        skip_nonfinite: whether a step whose loss or gradients are not finite changes nothing.

    Attributes:
        program: the compiled steps; None before the first.
        carry: the arrays; None before the first step.
        optimizer: the transformation whose state the carry has.
        seed: None until it is known.
        pending_arrays: arrays of a checkpoint for the first step.
        has_averages: whether the weights and their moving averages are exchanged.
    """

    def __init__(
        self,
        model: Tracked,
        objective: Objective,
        applying: Applying,
        jit: bool,
        seed: int | None,
        skip_nonfinite: bool,
    ) -> None:
        self.model = model
        self.objective = objective
        self.applying = applying
        self.optimizer: Any = applying
        self.seed = seed
        self.program: Program | None = None
        self.carry: Carry | None = None
        self.pending_arrays: dict[str, np.ndarray] | None = None
        self.has_averages = False
        self._jit = jit
        self._skip_nonfinite = skip_nonfinite
        self._detector: ChangeDetector | None = None
        self._is_open = False
        self._has_warned = False
        self._unreached: list[Tracked] = []

    @property
    def started(self) -> tuple[Program, Carry] | None:
        """The program and the carry; None before the first step."""
        if self.program is None or self.carry is None:
            return None
        return self.program, self.carry

    @property
    def pending_rate(self) -> float | None:
        """A learning rate that was set before the first step."""
        rates = [v for n, v in self.applying.early().items() if n.endswith("learning_rate")]
        return float(rates[0]) if rates and self.started is None else None

    @pending_rate.setter
    def pending_rate(self, rate: float | None) -> None:
        if rate is not None:
            self.applying.learning_rate = rate

    def state_array(self, index: int) -> Any:
        """Return an array of the state of the optimizers."""
        assert self.carry is not None
        return self.carry.optimizer[index]

    def set_state_array(self, index: int, array: Any) -> None:
        """Replace an array of the state of the optimizers."""
        assert self.carry is not None
        leaves = list(self.carry.optimizer)
        leaves[index] = like(array.astype(leaves[index].dtype), leaves[index])
        self.carry = self.carry._replace(optimizer=tuple(leaves))

    @property
    def is_open(self) -> bool:
        """Whether the variables hold the loan in place of their arrays."""
        return self._is_open

    def wait_for_builds(self) -> None:
        """Wait until no other thread builds a layer, if a loan is to begin."""
        if not self._is_current():
            BUILD_WAIT.wait()

    def _is_current(self) -> bool:
        """Whether the model is the one that the loan began with; other layers do not count."""
        return self._detector is not None and self._detector.is_unchanged()

    def prepare(self, batch: Callable[[], object]) -> tuple[Program, Carry]:
        """Build the unbuilt layers, and begin a loan unless one is open.

        In a `with` block of a placement, a model with another one is moved first.

        Args:
            batch: returns a batch with the shapes and dtypes of the data; called if needed.
        """
        started = self.started
        if started is not None and self._is_open and self._is_current():
            block = current_placement()
            if block is None or block == started[0].placement:
                return started
        reads = ModelCall(self.model, self.objective, batch(), True).build(self._unreached)
        if self.seed is None:
            self.seed = seed_of(self.model)
        with LOCK:
            tree = walk(self.model)
            self._unreached = unbuilt_layers(tree)
            unused = unused_layers(tree, reads)
            if unused and not self._has_warned and self.objective.own_steps is None:
                self._has_warned = True
                warnings.warn(_unused(self.model, unused), UserWarning, stacklevel=2)
            frozen = frozen_variables(tree)
            trainable = {p: v for key, (p, v) in tree.variables.items() if key not in frozen}
            others = {p: v for key, (p, v) in tree.variables.items() if key in frozen}
            detector = ChangeDetector(self.model)
            started = self._begin(trainable, others, batch)
            self._detector = detector
        return started

    def _begin(
        self,
        trainable: dict[str, Variable],
        others: dict[str, Variable],
        batch: Callable[[], object],
    ) -> tuple[Program, Carry]:
        values = tuple(copied(variable.stored()) for variable in trainable.values())
        other_values = tuple(copied(variable.stored()) for variable in others.values())
        placement, before = self.model._lamina.placement, self.started
        is_same = before is not None and before[0].has_variables(trainable, others)
        if before is not None and is_same and before[0].placement == placement:
            program, carry = before
            carry = carry._replace(trainable=values, non_trainable=other_values)
            carry = program.resumed(carry)
        else:
            has_own_steps = self.objective.own_steps is not None
            program = (OwnProgram if has_own_steps else Program)(
                self.model,
                self.objective,
                self.optimizer,
                trainable,
                others,
                self.seed or 0,
                self._jit,
                self._skip_nonfinite,
                placement,
            )
            if has_own_steps:
                program.example = as_inputs(batch())
            early = self.applying.early()
            carry = self._started(program, values, other_values)
            if before is not None and is_same:  # the model was moved
                carry = moved(program, carry, *before)
            else:
                self.has_averages = False
            if self.pending_arrays is not None:
                carry = restored(program, carry, self.pending_arrays)
            carry = _with_state(carry, self.applying, early)
            self.pending_arrays = None
            self.program, self.carry = program, carry
            if self.objective.own_steps is None:
                self.applying.hold(self)
            else:
                self.objective.own_steps.hold(self)
        self.program, self.carry = program, carry
        variables = [*trainable.values(), *others.values(), *program.cells]
        self._is_open = True
        assign_together(variables, repeat(self, len(variables)))
        return program, carry

    def _started(self, program: Program, values: Any, other_values: Any) -> Carry:
        """Return the first carry; an optimizer with a state of the same variables keeps it."""
        applying = self.applying
        if self.objective.own_steps is not None:
            return program.start(values, other_values)
        cells: list[Any] = []
        if applying.has_state and applying.is_of(list(program.trainable.values())):
            cells = [] if applying.is_held else applying.variables
        else:
            applying.attach(program.trainable)
        carry = program.start(values, other_values)
        applying.begin(program.optimizer_state(carry))
        return _with_state(carry, applying, {cell.name: cell.stored() for cell in cells})

    def uninterrupted(self) -> DeferredSignals:
        """Return a context in which a step replaces the carry without an interrupt in between.

        An interrupt may take effect before the arrays are donated, while the step is traced.
        """
        before = self.carry
        assert before is not None
        return DeferredSignals(lambda: self.carry is before and not before.steps.is_deleted())

    def recall(self) -> None:
        """End the loan: put the present arrays into their variables."""
        with LOCK:
            started = self.started
            if not self._is_open or started is None:
                return
            self._detector = None  # the next step begins a new loan
            program, carry = started
            pairs = [*zip(program.trainable.values(), carry.trainable, strict=True)]
            pairs += [*zip(program.non_trainable.values(), carry.non_trainable, strict=True)]
            pairs += [*zip(program.cells, program.cell_arrays(carry), strict=True)]
            lent = [(variable, array) for variable, array in pairs if variable._value is self]
            assign_together([variable for variable, _ in lent], [array for _, array in lent])
            self._is_open = False

    def _has_one_optimizer(self) -> bool:
        steps = self.objective.own_steps
        return steps is None or len(steps.optimizers) == 1

    def wait(self) -> int:
        """Wait for the steps in progress; return the total number of steps made."""
        if self.carry is None:
            return 0 if self.pending_arrays is None else int(self.pending_arrays["steps"])
        return int(self.carry.steps)

    def reset_accumulators(self) -> None:
        """Empty the accumulators of the loss and the metrics."""
        if self.started is not None:
            program, carry = self.started
            fresh = program.restarted_accumulators(carry.accumulators)
            self.carry = carry._replace(accumulators=fresh)
        elif self.pending_arrays is not None:
            self.pending_arrays = without_accumulators(self.pending_arrays)

    def restart(self, arrays: dict[str, np.ndarray], seed: int | None) -> None:
        """Forget the program and the carry; the next step starts from arrays of a checkpoint."""
        prefix = "optimizer/" if self._has_one_optimizer() else "optimizer/0/"
        self.applying.restart(
            {
                name.removeprefix(prefix): array
                for name, array in arrays.items()
                if name.startswith(prefix)
            }
        )
        self.program = self.carry = None
        self.has_averages = False
        self.pending_arrays, self.seed = arrays, seed


def _with_state(carry: Carry, applying: Applying, arrays: Mapping[str, Any]) -> Carry:
    """Return the carry with arrays of the optimizer's state by name."""
    if not arrays:
        return carry
    leaves, names = list(carry.optimizer), applying.names()
    for name, array in arrays.items():
        index = names.index(name)
        leaves[index] = like(copied(array), leaves[index])
    return carry._replace(optimizer=tuple(leaves))


def seed_of(model: Tracked) -> int:
    """Return a seed that depends on the seed of the model's weights."""
    first, second = model._lamina.origin or (0, 0)
    return (first * 1_000_003 + second) % (1 << 32)


def _unused(model: Tracked, paths: list[str]) -> str:
    return explain(
        f"{type(model).__name__} has layers that no call reaches, so they are not trained: "
        f"{', '.join(paths)}.",
        where=f"made at {model._lamina.made_at}",
        expected="a call of each tracked layer",
        received="none in training",
        remedy="Use them in call, or remove them.",
    )
