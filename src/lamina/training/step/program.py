"""The compiled programs of training: a step as a pure function of arrays, and loops of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.jax_internals import is_traced
from lamina.core.base.pytrees import flatten, leaves_of, map_pairs, map_tree, unflatten
from lamina.core.tree.cell import Cell
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.distribute import Placement
from lamina.lazy import lazily
from lamina.training.optimizers.loss_scale import loss_scale_of
from lamina.training.step import epoch_accumulators
from lamina.training.step.carry import Carry
from lamina.training.step.devices import MeshDevices, OneDevice
from lamina.training.step.epoch_accumulators import Accumulators
from lamina.training.step.model_call import ModelCall
from lamina.training.step.objective import BatchLoss, Objective
from lamina.training.step.quantized import check_kernels
from lamina.training.step.ranges import OutputRanges, range_of
from lamina.training.step.working_memory import compiled

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["Program"]


class Program:
    """The steps of one objective on one set of variables, compiled once for each shape of batch.

    Args:
        model: the layer to train.
        objective: the loss and metrics.
        optimizer: an optax transformation.
        trainable: variables by path.
        non_trainable: variables by path.
        seed: of the random keys of the steps.
        jit: whether to compile.
        skip_nonfinite: whether a step whose loss or gradients are not finite changes nothing.
        placement: of the weights, which also divides batches; None (default) for one device.

    Attributes:
        placement: as passed.
        devices: where arrays are stored.
        train_batch: ``(carry, batch) -> (carry, logs)``; donates the carry.
        train_rows: ``(carry, data, indices, first, stop) -> carry``; donates the carry.
        evaluate_batch: ``(trainable, non_trainable, accumulators, batch) -> accumulators``.
        evaluate_rows: ``(trainable, non_trainable, accumulators, data, indices, first, stop) ->
            accumulators``.
    """

    def __init__(
        self,
        model: Tracked,
        objective: Objective,
        optimizer: optax.GradientTransformation,
        trainable: dict[str, Variable],
        non_trainable: dict[str, Variable],
        seed: int,
        jit: bool,
        skip_nonfinite: bool = True,
        placement: Placement | None = None,
    ) -> None:
        self.model = model
        self.objective = objective
        self.optimizer = optimizer
        self.trainable = trainable
        self.non_trainable = non_trainable
        self.seed = seed
        self.skip_nonfinite = skip_nonfinite
        self.placement = placement
        self.devices = OneDevice(jit) if placement is None else MeshDevices(jit, placement)
        self._jit = jit
        self._loss_scale: float | None = getattr(optimizer, "loss_scale", None)
        self._indices = {id(variable): i for i, variable in enumerate(non_trainable.values())}
        self._structure: Any = None
        self.train_batch = compiled(self._train_batch, jit, donate=True)
        self.train_rows = compiled(self._train_rows, jit, donate=True)
        self.evaluate_batch = compiled(self._evaluate_batch, jit)
        self.evaluate_rows = compiled(self._evaluate_rows, jit)
        self._means = compiled(self._results, jit)
        self._ranges = compiled(self._batch_ranges, jit)
        self._output_paths: list[str] = []  # of the layers in the result of _ranges
        self.example: Any = None  # a batch, for programs that need its shapes to start

    @property
    def cells(self) -> list[Cell]:
        """The variables beside those of the model whose arrays the carry has."""
        return []

    def cell_arrays(self, carry: Carry) -> list[Any]:
        """Return the arrays of `cells`."""
        return []

    def resumed(self, carry: Carry) -> Carry:
        """Return the carry at the beginning of another loan of the same variables."""
        return carry

    def start(
        self, trainable: tuple[jax.Array, ...], non_trainable: tuple[jax.Array, ...]
    ) -> Carry:
        """Return the carry before the first step; it takes ownership of the arrays."""
        by_path = dict(zip(self.trainable, trainable, strict=True))
        state = self.devices.optimizer_state(self.optimizer.init, by_path)
        leaves, self._structure = flatten(state)
        carry = Carry(
            trainable,
            non_trainable,
            tuple(jnp.asarray(leaf) for leaf in leaves),
            self.empty_accumulators(),
            jax.device_put(np.zeros((), np.int32)),
            jax.device_put(np.ones((), bool)),
        )
        return self.devices.carry(_with_separate_buffers(carry), self._variables)

    def has_variables(
        self, trainable: dict[str, Variable], non_trainable: dict[str, Variable]
    ) -> bool:
        """Return whether these are the variables of the program, with the same paths."""
        return (self.trainable, self.non_trainable) == (trainable, non_trainable)

    @property
    def _variables(self) -> list[Variable]:
        return [*self.trainable.values(), *self.non_trainable.values()]

    def key(self, step: Any) -> jax.Array:
        """Return the random key of a step, given the number of finite steps before it."""
        return jax.random.fold_in(jax.random.key(self.seed), step)

    def optimizer_state(self, carry: Carry) -> Any:
        """Return the state of the optimizer in the structure that optax gave it."""
        return unflatten(self._structure, carry.optimizer)

    def empty_accumulators(self) -> Accumulators:
        """Return the accumulators of an epoch before its first batch."""
        return self.devices.replicated(epoch_accumulators.empty(self.objective))

    def restarted_accumulators(self, before: Accumulators) -> Accumulators:
        """Return the accumulators at the beginning of an epoch after others."""
        return self.devices.replicated(epoch_accumulators.restarted(self.objective, before))

    def logs(self, total: Accumulators) -> dict[str, jax.Array]:
        """Return the mean loss, the other logs and the metrics by name, in this order."""
        metrics = [bound.name for bound in self.objective.bound_metrics]
        names = ["loss", *self.objective.log_names, *metrics]
        return dict(zip(names, self._means(total), strict=True))

    def _results(self, total: Accumulators) -> tuple[jax.Array, ...]:
        return epoch_accumulators.means(self.objective, total)

    def _loss(
        self,
        trainable: Any,
        non_trainable: Any,
        batch: Any,
        training: bool,
        step: Any,
        scale: Any = None,
        outputs: OutputRanges | None = None,
    ) -> tuple[jax.Array, tuple[BatchLoss, tuple[jax.Array, ...]]]:
        """Return the scaled loss; the value of the objective, and the new non-trainable values."""
        variables = self._variables
        arrays = self.devices.weights(variables, (*trainable, *non_trainable))
        values = dict(zip(map(id, variables), arrays, strict=True))
        call = ModelCall(self.model, self.objective, batch, training, self.key(step))
        value, assigned = call.apply(values, None if outputs is None else outputs.watch)
        after = list(non_trainable)
        for variable, array in assigned.items():
            if variable in self._indices:
                after[self._indices[variable]] = array
        return value.loss if scale is None else value.loss * scale, (value, tuple(after))

    def _train_batch(self, carry: Carry, batch: Any) -> tuple[Carry, dict[str, jax.Array]]:
        """Make one step; return the carry after it, and its loss and logs."""
        check_kernels(self.model)
        gradient = jax.value_and_grad(self._loss, has_aux=True)
        dynamic = loss_scale_of(self.optimizer_state(carry))
        scale = self._loss_scale if dynamic is None else dynamic
        (_, (value, non_trainable)), gradients = gradient(
            carry.trainable, carry.non_trainable, batch, True, carry.steps, scale
        )
        loss = value.loss
        gradients = self.devices.gradients(gradients)
        if scale is not None:
            gradients = map_tree(lambda gradient: gradient / scale, gradients)
        finite = carry.finite
        if self.skip_nonfinite:
            finite &= jnp.isfinite(loss)
            if dynamic is None:  # else the optimizer skips gradients that are not finite
                finite &= self.devices.are_finite(gradients)

        def updated(gradients: Any) -> Carry:
            after = self._updated(carry, gradients, non_trainable, value)
            return self.devices.stored(after)

        # The loss of the first step that is not finite counts in the mean of the epoch.
        sums = epoch_accumulators.add_losses(
            self.objective, carry.accumulators, value, carry.finite
        )
        skipped = carry._replace(accumulators=sums)
        if is_traced(finite) and jax.default_backend() != "cpu":
            # Keep XLA from fusing gradients and update into loops that compute the moments twice.
            gradients, finite = cast(Any, jax.lax).optimization_barrier((gradients, finite))
        after = selected(finite, lambda: updated(gradients), skipped)._replace(finite=finite)
        return self.devices.stored(after), {"loss": loss, **value.logs}

    def ranges(self, carry: Carry, batch: Any) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
        """Return the ranges of gradients, by path, and of layers' outputs, in one training step.

        The step is not made. Each range is ``[3]``: minimum, maximum and root mean square.
        """
        gradients, outputs = self._ranges(carry, batch)
        by_path = dict(zip(self._output_paths, outputs, strict=True))
        return dict(zip(self.trainable, gradients, strict=True)), by_path

    def _batch_ranges(self, carry: Carry, batch: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        dynamic = loss_scale_of(self.optimizer_state(carry))
        scale = self._loss_scale if dynamic is None else dynamic
        watched = OutputRanges()

        def loss(trainable: Any) -> tuple[jax.Array, tuple[jax.Array, ...]]:
            value, _ = self._loss(
                trainable, carry.non_trainable, batch, True, carry.steps, scale, watched
            )
            outputs = watched.ranges()
            self._output_paths = list(outputs)
            return value, tuple(outputs.values())

        gradients, outputs = cast(Any, jax.grad(loss, has_aux=True))(carry.trainable)
        gradients = self.devices.gradients(gradients)
        divided = gradients if scale is None else [gradient / scale for gradient in gradients]
        return tuple(map(range_of, divided)), outputs

    def _updated(
        self, carry: Carry, gradients: Any, non_trainable: tuple[jax.Array, ...], value: BatchLoss
    ) -> Carry:
        """Return the carry after an update of the weights."""
        weights = dict(zip(self.trainable, carry.trainable, strict=True))
        by_path = dict(zip(self.trainable, gradients, strict=True))
        updates, state = self.optimizer.update(by_path, self.optimizer_state(carry), weights)
        new: Any = optax.apply_updates(weights, updates)
        return carry._replace(
            trainable=tuple(_constrained(v, new[path]) for path, v in self.trainable.items()),
            non_trainable=non_trainable,
            optimizer=tuple(leaves_of(state)),
            accumulators=epoch_accumulators.add(self.objective, carry.accumulators, value),
            steps=carry.steps + 1,
        )

    def _train_rows(self, carry: Carry, data: Any, indices: Any, first: Any, stop: Any) -> Carry:
        """Make the steps `first` to `stop` on the batches of rows ``indices [steps, batch]``."""

        def step(index: Any, carry: Carry) -> Carry:
            return self._train_batch(carry, _rows(data, indices[index]))[0]

        return self._repeated(first, stop, step, carry)

    def _repeated(self, first: Any, stop: Any, step: Callable[[Any, Any], Any], value: Any) -> Any:
        """Run ``value = step(index, value)`` for each index; without compilation, one at a time."""
        if self._jit:
            return cast(Any, jax.lax.fori_loop)(first, stop, step, value)
        for index in range(first, stop):
            value = step(index, value)
        return value

    def _evaluate_batch(
        self, trainable: Any, non_trainable: Any, total: Accumulators, batch: Any
    ) -> Accumulators:
        _, (value, _) = self._loss(trainable, non_trainable, batch, False, 0)
        return epoch_accumulators.add(self.objective, total, value)

    def _evaluate_rows(
        self,
        trainable: Any,
        non_trainable: Any,
        total: Accumulators,
        data: Any,
        indices: Any,
        first: Any,
        stop: Any,
    ) -> Accumulators:
        def step(index: Any, total: Accumulators) -> Accumulators:
            batch = _rows(data, indices[index])
            return self._evaluate_batch(trainable, non_trainable, total, batch)

        return self._repeated(first, stop, step, total)


def _with_separate_buffers(tree: Any) -> Any:
    """Copy each array that is in the tree before: a buffer cannot be donated twice.

    An optimizer's state may contain the weights themselves, or one array of zeros twice.
    """
    seen: set[int] = set()

    def separate(leaf: Any) -> Any:
        is_known = id(leaf) in seen
        seen.add(id(leaf))
        return jnp.copy(leaf) if is_known else leaf

    return map_tree(separate, tree)


def selected(finite: jax.Array, update: Callable[[], Any], before: Any) -> Any:
    """Return ``update()`` if `finite`, else `before`.

    On the CPU this is a branch, so that arrays are updated in place. On an accelerator a branch
    would wait for the host; there each element is selected.
    """
    if not is_traced(finite):
        return update() if finite else before
    if jax.default_backend() == "cpu":

        def after() -> Any:
            return map_pairs(lambda a, b: jnp.asarray(a, b.dtype), update(), before)

        return cast(Any, jax.lax.cond)(finite, after, lambda: before)
    return map_pairs(lambda a, b: jnp.where(finite, a, b), update(), before)


def _constrained(variable: Variable, value: jax.Array) -> jax.Array:
    return (
        value if variable.constraint is None else variable.over_copies(variable.constraint, value)
    )


def _rows(data: Any, index: Any) -> Any:
    return map_tree(lambda array: array.at[index].get(mode="promise_in_bounds"), data)
