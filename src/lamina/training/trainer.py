"""The trainer: it borrows a layer's arrays, takes steps on its own copies, and gives them back."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.build import LOCK
from lamina.core.node import Edition, Tracked
from lamina.core.root import Root
from lamina.core.signature import as_inputs
from lamina.core.tracking import frozen_variables, unused_layers, walk
from lamina.core.variable import Variable
from lamina.errors import explain
from lamina.training import finite, optimizers
from lamina.training.data import Arrays
from lamina.training.objective import Objective
from lamina.training.step import Carry, Program, Tallies

__all__ = ["Trainer"]


class Trainer:
    """Steps of training for any layer.

    The layer's arrays are copied on entry; the copies are donated from step to step. A look at
    any of the layer's weights gives the present ones, and those stay valid.

    Args:
        model: the layer to train.
        optimizer: a name, or an optax transformation. Its state is a dict by path.
        loss: a name, a Loss, or a function ``(y_true, y_pred)``. Without one, the model's own
            ``train_loss(batch)`` is minimised.
        metrics: told beside the loss.
        jit: False runs steps uncompiled, to debug them.
        seed: of the order of the data and of dropout; without it, what the weights were drawn
            from.

    >>> import jax.numpy as jnp
    >>> from lamina import layers
    >>> trainer = Trainer(layers.Dense(1), "sgd", "mse")
    >>> sorted(trainer.step((jnp.ones((4, 3)), jnp.ones((4, 1)))))
    ['loss']
    """

    def __init__(
        self,
        model: Tracked,
        optimizer: Any = "adam",
        loss: Any = None,
        metrics: Sequence[Any] = (),
        *,
        jit: bool = True,
        seed: int | None = None,
    ) -> None:
        train_loss: Callable[[Any], Any] | None = getattr(model, "train_loss", None)
        self.model = model
        self.optimizer = optimizers.get(optimizer)
        self.objective = Objective(model, loss, metrics, train_loss if loss is None else None)
        self.epochs = 0
        self._jit = jit
        self._seed = seed
        self._edition = -1
        self._carry: Carry | None = None
        self._program: Program | None = None
        self._borrowed = False
        self._warned = False

    def step(self, batch: Any) -> dict[str, jax.Array]:
        """One step on one batch: what it came to, on the device.

        Args:
            batch: ``(inputs, labels)`` or ``(inputs, labels, weights)``; for a model with a
                `train_loss` of its own, whatever that takes.
        """
        arrays = as_inputs(batch)
        program = self.prepare(lambda: arrays)
        logs: dict[str, jax.Array]
        self._carry, logs = program.one(self._carry, arrays)
        return logs

    def steps(self, data: Arrays, order: Any, first: int, stop: int) -> None:
        """Several steps on rows of arrays that are on the device."""
        program = self.prepare(lambda: data.like(order))
        self._carry = program.many(self._carry, data.tree, order, first, stop)

    def prepare(self, batch: Callable[[], Any]) -> Program:
        """Build what is not built, for a batch such as this, and borrow the arrays."""
        if self._borrowed and self._edition == Edition.current and self._program is not None:
            return self._program
        root = Root(self.model, self.objective, (batch(),), {"training": True, "rng": 0})
        reads = root.ensure()
        with LOCK:
            tree = walk(self.model)
            self._warn_of_unused(unused_layers(tree, set(reads)))
            frozen = frozen_variables(tree)
            weights = {p: v for key, (p, v) in tree.variables.items() if key not in frozen}
            state = {p: v for key, (p, v) in tree.variables.items() if key in frozen}
            self._borrow(weights, state)
        self._edition = Edition.current
        assert self._program is not None
        return self._program

    def _warn_of_unused(self, paths: list[str]) -> None:
        if not paths or self._warned:
            return
        self._warned = True
        warnings.warn(
            explain(
                f"{type(self.model).__name__} has layers that no call reaches, and that so do "
                f"not learn: {', '.join(paths)}.",
                where=f"made at {self.model._lamina.made_at}",
                expected="a call of each layer that is tracked",
                received="none in training",
                remedy="Use them in call, or remove them.",
            ),
            UserWarning,
            stacklevel=2,
        )

    def _borrow(self, weights: dict[str, Variable], state: dict[str, Variable]) -> None:
        own = tuple(jnp.copy(variable.stored()) for variable in weights.values())
        other = tuple(jnp.copy(variable.stored()) for variable in state.values())
        program = self._program
        if program is None or program.weights != weights or program.state != state:
            key = jax.random.key(_mix(self.model, self._seed))
            program = Program(
                self.model, self.objective, self.optimizer, weights, state, key, self._jit
            )
            self._program = program
            self._carry = program.start(own, other)
        else:
            assert self._carry is not None
            self._carry = self._carry._replace(weights=own, state=other)
        for variable in (*weights.values(), *state.values()):
            variable._value = self
        self._borrowed = True

    def recall(self) -> None:
        """Give the arrays back to their variables."""
        with LOCK:
            if not self._borrowed or self._program is None or self._carry is None:
                return
            program, carry = self._program, self._carry
            pairs = [*zip(program.weights.values(), carry.weights, strict=True)]
            pairs += [*zip(program.state.values(), carry.state, strict=True)]
            for variable, array in pairs:
                if variable._value is self:
                    variable._value = array
            self._borrowed = False

    def permutation(self, count: int) -> np.ndarray:
        """An order of `count` rows that depends on the seed and the epoch alone."""
        bits = np.random.Philox(key=[_mix(self.model, self._seed), self.epochs])
        return np.argsort(bits.random_raw(count), kind="stable").astype(np.int32)

    def reset_logs(self) -> None:
        if self._carry is not None and self._program is not None:
            self._carry = self._carry._replace(tallies=self._program.no_tallies())

    def logs(self) -> dict[str, float]:
        """What the steps since `reset_logs` came to; this waits for the device."""
        if self._carry is None or self._program is None:
            return {}
        return self._program.named(self._carry.tallies)

    def wait(self) -> int:
        """Wait for the steps under way; how many there were in all."""
        return 0 if self._carry is None else int(self._carry.steps)

    def check(self, batch_of: Callable[[int], Any]) -> None:
        """Raise if a loss was not finite, naming the layer where it began.

        Args:
            batch_of: the batch of a step, counted from 0 over all steps of this trainer.
        """
        if self._carry is None or bool(self._carry.healthy):
            return
        count = int(self._carry.steps)
        assert self._program is not None
        key = jax.random.fold_in(self._program.key, count)
        self._carry = self._carry._replace(healthy=jnp.ones((), bool))
        self.recall()
        raise finite.error(self.model, self.objective, batch_of(count), key, count)

    def judge(self, tallies: Tallies, batch: Any) -> Tallies:
        """Tallies of an evaluation with one more batch in them; begin with ``()``."""
        arrays = as_inputs(batch)
        program = self.prepare(lambda: arrays)
        assert self._carry is not None
        so_far = tallies or program.no_tallies()
        return program.judge(self._carry.weights, self._carry.state, so_far, arrays)

    def judge_rows(self, tallies: Tallies, data: Arrays, order: Any) -> Tallies:
        """The same for rows of arrays that are on the device, batch by batch."""
        program = self.prepare(lambda: data.like(order))
        assert self._carry is not None
        so_far = tallies or program.no_tallies()
        return program.judge_many(self._carry.weights, self._carry.state, so_far, data.tree, order)

    def results(self, tallies: Tallies) -> dict[str, float]:
        return self._program.named(tallies) if self._program and tallies else {}


def _mix(model: Tracked, seed: int | None) -> int:
    """The seed given, or one from what the model's weights were drawn from."""
    if seed is not None:
        return seed
    first, second = model._lamina.origin or (0, 0)
    return (first * 1_000_003 + second) % (1 << 32)
