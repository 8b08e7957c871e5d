"""The trainer: steps of training for any layer, their logs, and checkpoints."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.inputs import as_inputs
from lamina.core.base.lock import LOCK
from lamina.core.tree.node import Tracked
from lamina.distribute import Placement
from lamina.training.callbacks.device_logs import DeviceLogs
from lamina.training.checkpoints import store
from lamina.training.checkpoints.contents import Checkpoint
from lamina.training.checkpoints.snapshot import Snapshot
from lamina.training.data.arrays import Arrays
from lamina.training.loop import optimizer_state
from lamina.training.loop.steps_per_execution import check_steps
from lamina.training.loop.trainer_checkpoints import TrainerCheckpoints, no_checkpoint
from lamina.training.loop.trainer_options import TrainerOptions
from lamina.training.loop.weight_loan import WeightLoan
from lamina.training.nonfinite.search import OnNonfinite, check_mode, find_nonfinite
from lamina.training.optimizers.applying import Applying, OptaxOptimizer
from lamina.training.optimizers.learning_rate import LearningRateValue
from lamina.training.optimizers.lookup import get as get_optimizer
from lamina.training.step.carry import Carry
from lamina.training.step.loss_terms import LossArgument
from lamina.training.step.metric_bindings import MetricsArgument
from lamina.training.step.objective import Objective
from lamina.training.step.program import Program

if TYPE_CHECKING:
    import optax

__all__ = ["Trainer"]


class Trainer:
    """Trains any layer, step by step.

    The arrays of the layer are copied when training begins; the copies are donated from step to
    step. Reading a weight of the layer returns its present value, which stays valid.

    Args:
        model: the layer to train.
        optimizer: a name, or an optax transformation, whose parameters are a dict by path.
        loss: a name, a :class:`lamina.losses.Loss` or a function ``(y_true, y_pred)``; for several
            outputs one for all, a dict by name, or a list in their order. None (default) for the
            model's ``train_loss(batch)``.
        metrics: names, metrics or functions; for several outputs a dict by name, or a list of
            lists.
        loss_weights: the factor of each output's loss in the sum, a dict by name or a list; 1 by
            default.
        weighted_metrics: metrics that use sample weights.
        output_names: the names of the outputs in the logs, in the structure of the outputs, such
            as a list; None (default) if they are unknown.
        jit: whether to compile the steps; False is for debugging.
        seed: of dropout and of the order of the data; None (default) for the seed of the weights.
        on_nonfinite: what `fit` does when a loss or a gradient is infinite or NaN: `"raise"`
            (default) raises :class:`NotFiniteError`, `"stop"` ends training with a warning, both
            with the weights from before that step; `"ignore"` applies the step.
        steps_per_execution: the number of steps on arrays that `fit` runs as one program; `"auto"`
            (default) for as many as take about 0.2 seconds.

    Attributes:
        model: the layer.
        objective: the loss and metrics.
        optimizer: the optimizer, an object with the methods of Keras's.
        epochs: the number of epochs trained.

    Raises:
        UnknownNameError: there is no optimizer, loss or metric of that name.
        InputError: an option is invalid.

    >>> import jax.numpy as jnp
    >>> from lamina import layers
    >>> trainer = Trainer(layers.Dense(1), "sgd", "mse")
    >>> sorted(trainer.step((jnp.ones((4, 3)), jnp.ones((4, 1)))))
    ['loss']
    """

    def __init__(
        self,
        model: Tracked,
        optimizer: str | optax.GradientTransformation = "adam",
        loss: LossArgument = None,
        metrics: MetricsArgument = (),
        *,
        loss_weights: Any = None,
        weighted_metrics: MetricsArgument = (),
        output_names: Any = None,
        jit: bool = True,
        seed: int | None = None,
        on_nonfinite: OnNonfinite = "raise",
        steps_per_execution: int | Literal["auto"] = "auto",
    ) -> None:
        custom: Any = getattr(model, "train_loss", None) if loss is None else None
        self.model = model
        self.objective = Objective(
            model, loss, metrics, custom, loss_weights, weighted_metrics, output_names
        )
        self.on_nonfinite = check_mode(on_nonfinite)
        self.steps_per_execution = check_steps(steps_per_execution)
        self.epochs = 0
        made: Any = get_optimizer(optimizer)
        made = made.of_model(model) if isinstance(made, Applying) else OptaxOptimizer(made)
        self.optimizer: Applying = made
        self._loan = WeightLoan(model, self.objective, made, jit, seed, on_nonfinite != "ignore")
        self._checkpoints = TrainerCheckpoints(self._loan)

    def step(self, batch: Any) -> dict[str, jax.Array]:
        """Make one step on one batch.

        Args:
            batch: ``(inputs, labels)`` or ``(inputs, labels, sample_weights)``; with a custom
                `train_loss`, its argument.

        Returns:
            The loss and further logs by name, on the device.
        """
        placement = self.placement
        with contextlib.nullcontext() if placement is None else placement.staging():
            arrays = as_inputs(batch)
        logs: dict[str, jax.Array]
        loan = self._loan
        loan.wait_for_builds()
        with LOCK:  # other threads read weights before or after the step
            program, _ = loan.prepare(lambda: arrays)
            arrays = program.devices.batch(arrays)
            with loan.uninterrupted():
                loan.carry, logs = program.train_batch(loan.carry, arrays)
        return logs

    def steps(self, data: Arrays, indices: Any, first: int, stop: int) -> None:
        """Make steps on rows of arrays, as one program.

        Args:
            data: the arrays.
            indices: row numbers ``[steps, batch]``.
            first: the first step to make.
            stop: the step after the last.
        """
        loan = self._loan
        if self.placement is not None:  # each batch is divided as it is copied to the devices
            for rows in np.asarray(indices[first:stop]):
                self.step(data.rows(rows))
            return
        for number, part in enumerate(data.ranges(indices, first, stop)):
            if number:
                self.wait()  # keep at most two ranges in memory
            loan.wait_for_builds()
            with LOCK:
                program, _ = loan.prepare(lambda: data.example_batch(indices.shape[1]))
                with loan.uninterrupted():
                    loan.carry = program.train_rows(loan.carry, *part)

    def ranges(self, batch: Any) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
        """Measure gradients and outputs on one batch, without making a step.

        The program is compiled at the first call, apart from that of the steps.

        Args:
            batch: as for `step`; at least one step was made.

        Returns:
            The gradients by path of the weight, and the outputs by path of the layer, each as a
            list of minimum, maximum and root mean square, of floats.
        """
        placement = self.placement
        with contextlib.nullcontext() if placement is None else placement.staging():
            arrays = as_inputs(batch)
        with LOCK:
            program, carry = self._loan.prepare(lambda: arrays)
            arrays = program.devices.batch(arrays)
            found = program.ranges(carry, arrays)
        gradients, outputs = (
            {path: np.asarray(one).tolist() for path, one in ranges.items()} for ranges in found
        )
        return gradients, outputs

    @property
    def placement(self) -> Placement | None:
        """The placement of the model's weights; None for one device."""
        return self.model._lamina.placement

    def prepare(self, batch: Callable[[], object]) -> tuple[Program, Carry]:
        """Build the model if needed, and return the program and the arrays.

        Args:
            batch: returns a batch with the shapes and dtypes of the data; called if needed.
        """
        return self._loan.prepare(batch)

    def recall(self) -> None:
        """Put the present arrays into the variables of the model; the next step copies them."""
        self._loan.recall()

    def permutation(self, count: int, passed: int = 0) -> np.ndarray:
        """Return the order of the examples in the next epoch, from the seed and `epochs`.

        Args:
            count: int, the number of examples.
            passed: int, the number of last epochs that do not count; 0 by default.

        Returns:
            A permutation of ``0, ..., count - 1``, int32 ``[count]``.
        """
        bits = np.random.Philox(key=[self._loan.seed or 0, self.epochs - passed])
        return np.argsort(bits.random_raw(count), kind="stable").astype(np.int32)

    def reset_logs(self) -> None:
        """Reset the loss and the metrics, as at the beginning of an epoch."""
        self._loan.reset_accumulators()

    def logs(self) -> dict[str, Any]:
        """Return the mean loss and the metrics since `reset_logs`; this waits for the device."""
        return dict(self.running_logs())

    def running_logs(self) -> DeviceLogs:
        """Return the same logs; reading a value waits for the device."""
        if self._loan.started is None:
            return DeviceLogs({})
        program, carry = self._loan.started
        return DeviceLogs(program.logs(carry.accumulators))

    def wait(self) -> int:
        """Wait for the steps in progress; return the total number of steps made."""
        return self._loan.wait()

    def check(self, batch_of: Callable[[int], Any], before: int = 0) -> None:
        """Raise an error if a loss or a gradient was not finite.

        Args:
            batch_of: returns the batch of a step, counted from 0 over all steps of this trainer.
            before: the number of steps made before the present epoch.

        Raises:
            NotFiniteError: names the first layer whose output, or derivative, is not finite.
        """
        started = self._loan.started
        if started is None or bool(started[1].finite):
            return
        program, carry = started
        count = int(carry.steps)
        key = program.key(count)
        self._loan.carry = carry._replace(finite=jnp.ones_like(carry.finite))
        self.recall()
        batch = batch_of(count)
        raise find_nonfinite(self.model, self.objective, batch, key, count, count - before)

    @property
    def learning_rate(self) -> LearningRateValue:
        """The learning rate of the optimizer, a float, which may be set during training.

        Raises:
            InputError: the optimizer has none in its state, or it is set and follows a schedule.
        """
        rate = optimizer_state.learning_rate(self._loan)
        loan = self._loan
        return LearningRateValue.of(rate, lambda new: optimizer_state.set_learning_rate(loan, new))

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        optimizer_state.set_learning_rate(self._loan, rate)

    def take_averages(self) -> None:
        """Replace the weights of the model by their moving averages, if the optimizer has them."""
        optimizer_state.take_averages(self._loan)

    def swap_averages(self, to_averages: bool) -> None:
        """Give the model the moving averages of its weights, or the weights again."""
        optimizer_state.swap_averages(self._loan, to_averages)

    def save(self, directory: str | PathLike[str], *, keep: int = 3) -> Path:
        """Write a checkpoint: weights, optimizer, accumulators, seed and counts.

        If the model has a placement, each process writes the parts of the arrays on its devices.
        This needs ``pip install 'lamina[distributed]'``, and all processes call it together.

        Args:
            directory: of the checkpoints; each is a folder in it.
            keep: the number of newest checkpoints to keep.

        Returns:
            The folder of the checkpoint, which is on the disk when this returns.

        Raises:
            InputError: no step was made yet, or another run writes to the directory.
            LaminaError: the model has a placement, and Orbax is not installed.
            OSError: it cannot be written. Existing checkpoints are unchanged.
        """
        return store.write(directory, self.snapshot().contents(), keep)

    @classmethod
    def restore(
        cls,
        directory: str | PathLike[str],
        model: Tracked,
        optimizer: str | optax.GradientTransformation = "adam",
        loss: LossArgument = None,
        metrics: MetricsArgument = (),
        **options: Unpack[TrainerOptions],
    ) -> Trainer:
        """Return a trainer that continues from the newest complete checkpoint of a directory.

        Args:
            directory: as passed to `save`.
            model: of the same class and options, built or not; it gets the checkpoint's weights.
            optimizer: as in the run that wrote the checkpoint.
            loss: as in that run.
            metrics: as in that run.
            options: further options of :class:`Trainer`.

        Raises:
            FileNotFoundError: there is no checkpoint.
            FileFormatError: it belongs to another model or optimizer, or all are damaged.
        """
        trainer = cls(model, optimizer, loss, metrics, **options)
        if trainer.resume(directory) is None:
            raise no_checkpoint(directory)
        return trainer

    def resume(self, directory: str | PathLike[str] | Checkpoint) -> dict[str, Any] | None:
        """Continue from a checkpoint, or from the newest complete one of a directory.

        Args:
            directory: as passed to `save`, or a checkpoint.

        Returns:
            The entries of the checkpoint: `seed`, `epochs`, and as `more` the argument of
            `snapshot`. None if there is no checkpoint.

        Raises:
            FileFormatError: it belongs to another model or optimizer, or all are damaged. Nothing
                has changed.
        """
        about = self._checkpoints.resume(directory)
        if about is not None:
            self.epochs = about["epochs"]
        return about

    def snapshot(self, more: Any = None) -> Snapshot:
        """Copy all arrays of training on the device, for a checkpoint.

        Args:
            more: what else to save: arrays, and values that JSON can hold.

        Raises:
            InputError: no step was made yet.
        """
        return self._checkpoints.snapshot(self.epochs, more)
