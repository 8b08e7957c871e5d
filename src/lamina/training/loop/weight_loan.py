"""Borrowing a layer's arrays: copies on entry, donated from step to step, given back at a look."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from lamina.core.base.host_memory import copied
from lamina.core.base.interrupts import HeldBack
from lamina.core.base.lock import LOCK, TURN
from lamina.core.calling.root import Root
from lamina.core.tree.node import EDITION, Tracked
from lamina.core.tree.values import assign_together
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import frozen_variables, unbuilt, unused_layers, walk
from lamina.training.checkpoints import trainer_state
from lamina.training.optimizers import learning_rate
from lamina.training.step.objective import Objective, never_reached
from lamina.training.step.step import Carry, Program

if TYPE_CHECKING:
    import optax

__all__ = ["Borrower"]


class Borrower:
    """Has a layer's arrays on loan while it trains; in its variables it stands for them.

    Args:
        model: the layer.
        objective: what is minimised.
        optimizer: how.
        jit: whether programs are compiled.
        seed: of dropout and orders; without it, what the weights were drawn from.
        guarded: whether a step whose loss is not finite changes nothing.
    """

    def __init__(
        self,
        model: Tracked,
        objective: Objective,
        optimizer: optax.GradientTransformation,
        jit: bool,
        seed: int | None,
        guarded: bool,
    ) -> None:
        self.model = model
        self.objective = objective
        self.optimizer = optimizer
        self._jit = jit
        self._seed = seed
        self._guarded = guarded
        self._edition = -1
        self._carry: Carry | None = None
        self._program: Program | None = None
        self._borrowed = False
        self._warned = False
        self._idle: list[Tracked] = []  # no call reaches them
        self._rate: float | None = None  # set before there is an optimizer's state
        self._restored: dict[str, np.ndarray] | None = None  # of a checkpoint, for the first step
        self._fills: bool | None = None

    def _wait_to_borrow(self) -> None:
        """Before arrays are borrowed, let another thread's build end."""
        if self._edition != EDITION.current:
            TURN.wait()

    def prepare(self, batch: Callable[[], object]) -> Program:
        """Build what is not built, for a batch such as this, and borrow the arrays."""
        if self._borrowed and self._edition == EDITION.current and self._program is not None:
            return self._program
        root = Root(self.model, self.objective, (batch(),), {"training": True})
        reads = root.ensure_all(self._idle)
        if self._seed is None:
            self._seed = _mix(self.model)
        with LOCK:
            tree = walk(self.model)
            self._idle = unbuilt(tree)
            unused = unused_layers(tree, set(reads))
            if unused and not self._warned:
                self._warned = True
                warnings.warn(never_reached(self.model, unused), UserWarning, stacklevel=2)
            frozen = frozen_variables(tree)
            weights = {p: v for key, (p, v) in tree.variables.items() if key not in frozen}
            state = {p: v for key, (p, v) in tree.variables.items() if key in frozen}
            edition = EDITION.current
            self._borrow(weights, state)
            self._edition = edition
        assert self._program is not None
        return self._program

    def _borrow(self, weights: dict[str, Variable], state: dict[str, Variable]) -> None:
        own = tuple(copied(variable.stored()) for variable in weights.values())
        other = tuple(copied(variable.stored()) for variable in state.values())
        program = self._program
        if program is None or program.weights != weights or program.state != state:
            program = Program(
                self.model,
                self.objective,
                self.optimizer,
                weights,
                state,
                self._seed or 0,
                self._jit,
                self._guarded,
            )
            carry = program.start(own, other)
            if self._restored is not None:
                carry = trainer_state.put_back(program, carry, self._restored)
                program.pads.training = self._fills
            if self._rate is not None:
                carry = learning_rate.replaced(program, carry, self._rate)
            self._program, self._carry = program, carry
            self._restored = self._rate = None
        else:
            assert self._carry is not None
            self._carry = self._carry._replace(weights=own, state=other)
        variables = [*weights.values(), *state.values()]
        self._borrowed = True
        assign_together(variables, repeat(self, len(variables)))

    def _keeping(self) -> HeldBack:
        """While a step takes the carry and gives another, nothing comes between.

        Python that runs before the arrays are given up, to trace the step, may be broken off.
        """
        before = self._carry
        assert before is not None
        return HeldBack(lambda: self._carry is before and not before.steps.is_deleted())

    def recall(self) -> None:
        """Give the arrays back to their variables."""
        with LOCK:
            if not self._borrowed or self._program is None or self._carry is None:
                return
            self._edition = -1  # before the next step they are borrowed again
            program, carry = self._program, self._carry
            pairs = [*zip(program.weights.values(), carry.weights, strict=True)]
            pairs += [*zip(program.state.values(), carry.state, strict=True)]
            lent = [(variable, array) for variable, array in pairs if variable._value is self]
            assign_together([variable for variable, _ in lent], [array for _, array in lent])
            self._borrowed = False


def _mix(model: Tracked) -> int:
    """A seed from what the model's weights were drawn from."""
    first, second = model._lamina.origin or (0, 0)
    return (first * 1_000_003 + second) % (1 << 32)
