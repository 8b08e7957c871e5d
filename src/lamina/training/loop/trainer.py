"""The trainer: steps of training, what they came to, and checkpoints of it all."""

from __future__ import annotations

import copy
import errno
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina import saving
from lamina.core.base.inputs import as_inputs
from lamina.core.base.lock import LOCK
from lamina.core.calling import views
from lamina.core.tree.node import EDITION, Tracked
from lamina.core.tree.walk import walk
from lamina.errors import InputError
from lamina.saving.metadata import Metadata, describe
from lamina.training.callbacks.reported import DeviceLogs
from lamina.training.checkpoints import store, trainer_state
from lamina.training.checkpoints.contents import Checkpoint
from lamina.training.data import padding
from lamina.training.data.arrays import Arrays
from lamina.training.loop.steps_per_call import checked
from lamina.training.loop.weight_loan import Borrower
from lamina.training.nonfinite import search
from lamina.training.optimizers import by_name, learning_rate, weight_averages
from lamina.training.step.objective import Objective
from lamina.training.step.step import Program

__all__ = ["Trainer"]


class Trainer(Borrower):
    """Steps of training for any layer.

    The layer's arrays are copied on entry; the copies are donated from step to step. A look at
    any of the layer's weights gives the present ones, and those stay valid.

    Args:
        model: the layer to train.
        optimizer: a name, or an optax transformation. Its state is a dict by path.
        loss: a name, a Loss, or a function ``(y_true, y_pred)``. Without one, the model's own
            ``train_loss(batch)`` is minimised. For several outputs: one for all, a dict by name,
            or a list.
        metrics: told beside the loss; for several outputs a dict by name, or a list of lists.
        loss_weights: what the loss of each output counts in the sum.
        weighted_metrics: metrics in which sample weights count.
        output_names: of outputs in a list; ``output_0``, ... if None.
        jit: False runs steps uncompiled, to debug them.
        seed: of the order of the data and of dropout; without it, what the weights were drawn
            from.
        on_nonfinite: what a loss or a gradient that is infinite or not a number comes to in `fit`:
            `"raise"` is an error, `"stop"` ends training with a warning, both with the weights
            from before that step; `"ignore"` goes on with whatever the step gave.
        steps_per_execution: how many steps on arrays `fit` runs at once.

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
        metrics: Any = (),
        *,
        loss_weights: Any = None,
        weighted_metrics: Any = (),
        output_names: Sequence[str] | None = None,
        jit: bool = True,
        seed: int | None = None,
        on_nonfinite: str = "raise",
        steps_per_execution: int | str = "auto",
    ) -> None:
        train_loss: Callable[[Any], Any] | None = getattr(model, "train_loss", None)
        objective = Objective(
            model,
            loss,
            metrics,
            train_loss if loss is None else None,
            loss_weights,
            weighted_metrics,
            output_names,
        )
        self.on_nonfinite = search.checked_mode(on_nonfinite)
        guarded = self.on_nonfinite != "ignore"
        super().__init__(model, objective, by_name.get(optimizer), jit, seed, guarded)
        self.epochs, self.at_once = 0, checked(steps_per_execution)
        self._described: tuple[int, Metadata] | None = None

    def step(self, batch: Any) -> dict[str, jax.Array]:
        """One step on one batch: what it came to, on the device.

        Args:
            batch: ``(inputs, labels)`` or ``(inputs, labels, weights)``; for a model with a
                `train_loss` of its own, whatever that takes.
        """
        arrays = as_inputs(batch)
        logs: dict[str, jax.Array]
        self._wait_to_borrow()
        with LOCK:  # a look from another thread comes before or after
            program = self.prepare(lambda: arrays)
            with self._keeping():
                self._carry, logs = program.one(self._carry, arrays)
        return logs

    def steps(
        self, data: Arrays, order: Any, first: int, stop: int, count: int | None = None
    ) -> None:
        """Several steps on rows of arrays; `count` of them if filled up."""
        for number, (rows, places, start, end, skipped) in enumerate(
            data.windows(order, first, stop)
        ):
            if number:
                self.wait()  # two windows are the most that is held
            self._wait_to_borrow()
            with LOCK:
                program, carry = self.prepare(lambda: data.like(order.shape[1])), self._carry
                left = None if count is None else count - skipped
                with self._keeping():
                    if left is None:
                        self._carry = program.many(carry, rows, places, start, end)
                    else:
                        self._carry, _ = program.many_padded(carry, rows, places, left, start, end)

    def can_fill_up(self, data: Arrays, orders: tuple[jax.Array, jax.Array]) -> bool:
        """Whether the last batch of an order may be filled up with rows that do not count."""
        program = self.prepare(lambda: data.like(orders[0].shape[1]))
        if program.pads.training is None:
            written = any(not variable.trainable for variable in program.state.values())
            usual = self.objective.can_leave_out and not written
            program.pads.training = usual and padding.same(self._try(program, data), orders)
        return program.pads.training

    def _try(self, program: Program, data: Arrays) -> Callable[[jax.Array], Any]:
        """The loss of the last step of an order, which changes nothing."""

        def loss(order: jax.Array) -> jax.Array:
            assert self._carry is not None
            last, healthy = order.shape[0] - 1, self._carry.healthy
            still = self._carry._replace(healthy=jnp.zeros((), bool))
            [(rows, places, start, end, skipped)] = data.windows(order, last, last + 1)
            left = data.count - skipped
            with self._keeping():
                carry, found = program.many_padded(still, rows, places, left, start, end)
                self._carry = carry._replace(healthy=healthy)
            return found

        return loss

    def permutation(self, count: int) -> np.ndarray:
        """An order of `count` rows that depends on the seed and the epoch alone."""
        bits = np.random.Philox(key=[self._seed or 0, self.epochs])
        return np.argsort(bits.random_raw(count), kind="stable").astype(np.int32)

    def reset_logs(self) -> None:
        if self._carry is not None and self._program is not None:
            self._carry = self._carry._replace(tallies=self._program.no_tallies())
        elif self._restored is not None:
            self._restored = trainer_state.without_tallies(self._restored)

    def logs(self) -> dict[str, Any]:
        """What the steps since `reset_logs` came to; this waits for the device."""
        return dict(self.running_logs())

    def running_logs(self) -> DeviceLogs:
        """The same, which waits for the device when a number is read."""
        if self._carry is None or self._program is None:
            return DeviceLogs({})
        return DeviceLogs(self._program.named(self._carry.tallies))

    def wait(self) -> int:
        """Wait for the steps under way; how many there were in all."""
        if self._carry is None:
            return 0 if self._restored is None else int(self._restored["steps"])
        return int(self._carry.steps)

    def check(self, batch_of: Callable[[int], Any], before: int = 0) -> None:
        """Raise if a loss or a gradient was not finite, naming the layer where that began.

        Args:
            batch_of: the batch of a step, counted from 0 over all steps of this trainer.
            before: how many steps were made before the epoch began.
        """
        if self._carry is None or bool(self._carry.healthy):
            return
        count = int(self._carry.steps)
        assert self._program is not None
        key = self._program.key(count)
        self._carry = self._carry._replace(healthy=jnp.ones((), bool))
        self.recall()
        raise search.error(self.model, self.objective, batch_of(count), key, count, count - before)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the optimizer; it may be set while training goes on.

        Raises:
            InputError: it has none, or one is set that follows a schedule.
        """
        arrays = self._optimizer_arrays()
        name = learning_rate.find(arrays)
        return float(arrays[name]) if self._rate is None else self._rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        if self._carry is not None and self._program is not None:
            self._carry = learning_rate.replaced(self._program, self._carry, rate)
        else:
            learning_rate.find(trainer_state.by_name(self.optimizer.init({})), to_set=True)
            self._rate = float(rate)

    def _optimizer_arrays(self) -> Mapping[str, Any]:
        if self._carry is not None and self._program is not None:
            return trainer_state.by_name(self._program.optimizer_state(self._carry))
        return self._restored or trainer_state.by_name(self.optimizer.init({}))

    def take_averages(self) -> None:
        """Give the model the averages of its weights, where the optimizer keeps them."""
        arrays = self._optimizer_arrays()
        found = weight_averages.found_in(arrays)
        if found:
            averages = {path: jnp.array(arrays[name]) for path, name in found.items()}
            views.set_values(self.model, views.values(self.model) | averages)

    def swap_averages(self) -> None:
        """Let weights and their averages change places, where there are averages."""
        if self._carry is None or self._program is None:
            return
        names = list(self._optimizer_arrays())
        found = weight_averages.found_in(dict.fromkeys(names))
        leaves, weights = list(self._carry.optimizer), list(self._carry.weights)
        for index, path in enumerate(self._program.weights if found else ()):
            at = names.index(found[path])
            leaves[at], weights[index] = weights[index], leaves[at]
        self._carry = self._carry._replace(weights=tuple(weights), optimizer=tuple(leaves))

    def save(self, directory: str | PathLike[str], *, keep: int = 3) -> Path:
        """Write a checkpoint: weights, optimizer, tallies, seed and counts.

        Args:
            directory: of checkpoints, each a folder in it.
            keep: how many are left there, the newest.

        Returns:
            The folder of the checkpoint, on the disk when this returns.

        Raises:
            InputError: no step was made yet, or another run writes to the directory.
            OSError: it cannot be written; those that are there are as they were.
        """
        return store.write(directory, self.snapshot().contents(), keep)

    @classmethod
    def restore(
        cls,
        directory: str | PathLike[str],
        model: Tracked,
        optimizer: Any = "adam",
        loss: Any = None,
        metrics: Sequence[Any] = (),
        **options: Any,
    ) -> Trainer:
        """A trainer that goes on where the newest whole checkpoint of a directory stopped.

        Args:
            directory: that `save` was given.
            model: of the same class and options, built or not; it gets the checkpoint's weights.
            optimizer: and the others, as they were.

        Raises:
            FileNotFoundError: there is no checkpoint.
            FileFormatError: it is of another model or optimizer, or all are damaged.
        """
        trainer = cls(model, optimizer, loss, metrics, **options)
        if trainer.resume(directory) is None:
            raise FileNotFoundError(errno.ENOENT, trainer_state.none_there(directory))
        return trainer

    def resume(self, directory: str | PathLike[str] | Checkpoint) -> dict[str, Any] | None:
        """Go on from a checkpoint, or from the newest whole one of a directory, if there is one.

        Returns:
            What is known of it, under `"more"` what `snapshot` was given; or None.

        Raises:
            FileFormatError: it is of another model, or all are damaged. Nothing was changed.
        """
        given = isinstance(directory, Checkpoint)
        found = directory if given else store.newest(directory)
        if found is None:
            return None
        self.recall()
        saving.load_weights(self.model, found.weights)
        self._program = self._carry = self._rate = None
        self._restored, about = trainer_state.joined(found)
        self._seed, self.epochs, self._fills = (about[n] for n in ("seed", "epochs", "fills"))
        return about

    def snapshot(self, more: Any = None) -> trainer_state.Snapshot:
        """The present state, copied on the device, and `more`: arrays, and what JSON can hold."""
        if self._carry is None or self._program is None:
            raise InputError(trainer_state.nothing_yet(self.model))
        if self._described is None or self._described[0] != EDITION.current:
            with LOCK:
                self._described = EDITION.current, describe(walk(self.model))
        fills = self._program.pads.training
        about = {"seed": self._seed, "epochs": self.epochs, "fills": fills, "more": more}
        metadata = copy.deepcopy(self._described[1])
        return trainer_state.take(self._program, self._carry, metadata, about)
