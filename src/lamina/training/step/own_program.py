"""The program of a model whose class defines its own steps, as those of Keras on JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.host_memory import copied
from lamina.core.base.pytrees import map_pairs, map_tree, unflatten
from lamina.core.calling import views
from lamina.core.tree.cell import Cell, cell_values
from lamina.errors import InputError, explain
from lamina.training.optimizers.loss_scale import loss_scale_of
from lamina.training.step.carry import Carry
from lamina.training.step.model_call import ModelCall
from lamina.training.step.program import Program, selected
from lamina.training.step.quantized import check_kernels

__all__ = ["OwnProgram"]


_TRACE: Any = cast(Any, jax).eval_shape


class _Own(NamedTuple):
    """The accumulators of own steps.

    Attributes:
        metrics: the values of the variables of the model's metrics.
        logs: those of the last step, by name.
    """

    metrics: tuple[Any, ...]
    logs: dict[str, Any]


class OwnProgram(Program):
    """Runs ``model.train_step(state, batch)`` and ``model.test_step(state, batch)``.

    The state of `train_step` is the lists of the values of ``model.trainable_variables``,
    ``model.non_trainable_variables``, the optimizers' variables and the metrics' variables; that
    of `test_step` has no optimizers' variables. Both return ``(logs, state)``.
    """

    _test_logs: dict[str, Any] | None = None
    _names: tuple[str, ...] = ()  # of the logs, in the order in which the steps return them

    def start(
        self, trainable: tuple[jax.Array, ...], non_trainable: tuple[jax.Array, ...]
    ) -> Carry:
        steps = self.objective.own_steps
        assert steps is not None
        self._lists = (
            views.trainable_variables(self.model),
            views.non_trainable_variables(self.model),
        )
        steps.build_optimizers(self._lists[0])
        self._optimizer_cells = steps.optimizer_cells
        self._metric_cells = steps.metric_cells
        self._structure = steps.optimizer_structure()
        carry = self.resumed(
            Carry(
                trainable,
                non_trainable,
                self._first_states(steps.optimizers),
                cast(Any, _Own((), {})),
                jax.device_put(np.zeros((), np.int32)),
                jax.device_put(np.ones((), bool)),
            )
        )
        carry = self.devices.carry(carry, self._variables)
        shapes = steps.settle_scale(lambda: _TRACE(self._train, carry, self.example))
        self._train_logs = _zeros(shapes[0])
        self._shapes = _TRACE(_same, (carry, self.example))
        self.example = None
        self.objective.log_names = tuple(name for name in self._names if name != "loss")
        return self.devices.carry(self.resumed(carry), self._variables)

    def _first_states(self, optimizers: Sequence[Any]) -> tuple[jax.Array, ...]:
        """Return the arrays of the optimizers' states, each where its weight is."""
        found: list[Any] = []
        for one in optimizers:
            weights = one.weights
            for name, cell in zip(one.names(), one.variables, strict=True):
                array: Any = copied(cell.stored())
                if self.placement is not None:
                    of = [
                        weight
                        for path, weight in weights.items()
                        if name.endswith(f"/{path}") and weight.shape == array.shape
                    ]
                    if of:
                        array = jax.device_put(array, of[0].stored().sharding)
                    else:
                        array = self.devices.replicated(array)
                found.append(array)
        return tuple(found)

    @property
    def cells(self) -> list[Cell]:
        """The variables of the metrics."""
        return list(self._metric_cells)

    def cell_arrays(self, carry: Carry) -> list[Any]:
        own: Any = carry.accumulators
        return list(own.metrics)

    def resumed(self, carry: Carry) -> Carry:
        """Return the carry with the present values of the metrics' variables."""
        logs = map_tree(copied, getattr(self, "_train_logs", {}))
        metrics = tuple(copied(cell.stored()) for cell in self._metric_cells)
        return carry._replace(accumulators=cast(Any, _Own(metrics, logs)))

    def optimizer_state(self, carry: Carry) -> Any:
        return unflatten(self._structure, carry.optimizer)

    def empty_accumulators(self) -> Any:
        """Return the accumulators of an evaluation before its first batch."""
        steps = self.objective.own_steps
        assert steps is not None
        if self._test_logs is None:
            carry, batch = self._shapes
            weights = carry.trainable, carry.non_trainable
            self._test_logs = _zeros(_TRACE(self._test, *weights, carry.accumulators, batch)[0])
        stored = [cell.stored() for cell in self._metric_cells]
        with cell_values(self._metric_cells, stored) as fresh:
            steps.reset_metrics()
        return self.devices.replicated(map_tree(copied, _Own(tuple(fresh), self._test_logs)))

    def restarted_accumulators(self, before: Any) -> Any:
        steps = self.objective.own_steps
        assert steps is not None
        steps.reset_metrics()
        fresh = tuple(copied(cell.stored()) for cell in self._metric_cells)
        return self.devices.replicated(_Own(fresh, map_tree(copied, self._train_logs)))

    def logs(self, total: Any) -> dict[str, jax.Array]:
        return {name: total.logs[name] for name in self._names if name in total.logs}

    def ranges(self, carry: Carry, batch: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {}  # the gradients are those of the model's own code

    def _train(self, carry: Carry, batch: Any) -> tuple[dict[str, Any], Carry]:
        """Return the logs of a step, and the carry after it."""
        own: Any = carry.accumulators
        given = (carry.optimizer, own.metrics)
        cells = (self._optimizer_cells, self._metric_cells)
        logs, lists, others = self._run(
            "train_step",
            (carry.trainable, carry.non_trainable),
            list(zip(cells, given, strict=True)),
            batch,
            True,
            carry.steps,
        )
        after = carry._replace(
            trainable=lists[0],
            non_trainable=lists[1],
            optimizer=others[0],
            accumulators=cast(Any, _Own(others[1], own.logs)),
        )
        return logs, _of_dtype(after, carry)

    def _test(
        self, trainable: Any, non_trainable: Any, total: Any, batch: Any
    ) -> tuple[dict[str, Any], tuple[Any, ...]]:
        given = [(self._metric_cells, total.metrics)]
        logs, _, others = self._run("test_step", (trainable, non_trainable), given, batch, False, 0)
        return logs, _of_dtype(others[0], tuple(total.metrics))

    def _run(
        self,
        method: str,
        weights: tuple[Any, Any],
        others: Sequence[tuple[Sequence[Cell], Sequence[Any]]],
        batch: Any,
        training: bool,
        step: Any,
    ) -> tuple[dict[str, Any], tuple[Any, Any], list[tuple[Any, ...]]]:
        """Run a method of the model on ``(state, batch)``.

        Returns:
            The logs; the new values of the program's variables; those of the other lists. A value
            that the method returns as it was is the one that it assigned to the variable, if any.
        """
        variables = self._variables
        arrays = self.devices.weights(variables, (*weights[0], *weights[1]))
        values = dict(zip(map(id, variables), arrays, strict=True))
        given = [[values[id(one)] for one in part] for part in self._lists]
        given += [list(part) for _, part in others]
        cells = [cell for part, _ in others for cell in part]
        flat = [array for _, part in others for array in part]

        def run(data: Any) -> Any:
            return getattr(self.model, method)(tuple(map(list, given)), data)

        call = ModelCall(self.model, run, batch, training, self.key(step))
        with cell_values(cells, flat) as assigned:
            result, written = call.enter(values)
        logs, after = _checked(self.model, method, result, [len(part) for part in given])
        self._names = tuple(dict.fromkeys([*logs, *self._names]))
        new = dict(values)
        for part, before, returned in zip(self._lists, given, after, strict=False):
            for variable, old, one in zip(part, before, returned, strict=True):
                new[id(variable)] = written.get(id(variable), old) if one is old else one
        rest = iter(assigned)
        lists = [
            tuple(next(rest) if one is old else _passed(next(rest), one) for old, one in pairs)
            for pairs in (
                zip(before, returned, strict=True)
                for before, returned in zip(given[2:], after[2:], strict=True)
            )
        ]
        split = len(self.trainable)
        ordered = tuple(jnp.asarray(new[id(variable)]) for variable in variables)
        return logs, (ordered[:split], ordered[split:]), lists

    def _train_batch(self, carry: Carry, batch: Any) -> tuple[Carry, dict[str, jax.Array]]:
        check_kernels(self.model)
        logs, after, updated = self._guarded(carry, batch)
        own: Any = after.accumulators
        kept = {name: value.astype(own.logs[name].dtype) for name, value in logs.items()}
        finite = carry.finite if updated is None else updated
        if updated is None and self.skip_nonfinite and "loss" in logs:
            finite &= jnp.isfinite(logs["loss"]).all()
        after = after._replace(accumulators=own._replace(logs=kept), steps=carry.steps + 1)
        sums: Any = carry.accumulators
        earlier = map_pairs(lambda a, b: jnp.where(carry.finite, a, b), kept, sums.logs)
        skipped = carry._replace(accumulators=sums._replace(logs=earlier))
        if updated is not None:  # the step has kept them
            skipped = skipped._replace(trainable=after.trainable, optimizer=after.optimizer)
        after = _either(finite, after, skipped)._replace(finite=finite)
        return self.devices.stored(after), logs

    def _guarded(self, carry: Carry, batch: Any) -> tuple[dict[str, Any], Carry, Any]:
        """Return the logs, the carry after a step, and whether the step made its update.

        The default `train_step` leaves the update out where the loss or a gradient is not finite.
        This is cheaper than a selection after it. The last value is None for other steps.
        """
        steps: Any = self.objective.own_steps
        if not (self.skip_nonfinite and steps.has_default_step and self.placement is None):
            return *self._train(carry, batch), None
        found: list[Any] = []

        def guard(loss: Any, gradients: Any, update: Any, before: Any) -> Any:
            finite = carry.finite & jnp.isfinite(loss).all()
            if loss_scale_of(self.optimizer_state(carry)) is None:
                finite &= self.devices.are_finite(tuple(gradients))
            found.append(finite)
            return selected(finite, update, before)

        steps.guard = guard
        try:
            logs, after = self._train(carry, batch)
        finally:
            steps.guard = None
        return logs, after, found[0]

    def _evaluate_batch(self, trainable: Any, non_trainable: Any, total: Any, batch: Any) -> Any:
        logs, after = self._test(trainable, non_trainable, total, batch)
        kept = {name: value.astype(total.logs[name].dtype) for name, value in logs.items()}
        return _Own(after, kept)


def _either(finite: Any, after: Carry, skipped: Carry) -> Carry:
    """Return the one or the other; XLA fuses the selection with the update of the weights."""
    return map_pairs(lambda a, b: jnp.where(finite, a, b), after, skipped)


def _same(tree: Any) -> Any:
    return tree


def _passed(_: Any, value: Any) -> Any:
    return value


def _of_dtype(after: Any, before: Any) -> Any:
    """Return arrays in the dtypes of those before."""
    return map_pairs(lambda a, b: jnp.asarray(a, b.dtype), after, before)


def _zeros(shapes: dict[str, Any]) -> dict[str, Any]:
    return {name: np.zeros(one.shape, one.dtype) for name, one in shapes.items()}


def _checked(
    model: Any, method: str, result: Any, lengths: list[int]
) -> tuple[dict[str, Any], Any]:
    """Return the logs, with those of dicts beside the others, and the state.

    Raises:
        InputError: the method returned something else.
    """
    pair = cast("tuple[Any, ...]", result if isinstance(result, tuple) else ())
    logs, state = pair if len(pair) == 2 else (None, None)
    lists = cast("list[Any]", state if isinstance(state, tuple | list) else [])
    found = [len(part) for part in lists]
    if not isinstance(logs, Mapping) or found != lengths:
        names = "trainable, non-trainable, optimizer and metrics variables"
        if method == "test_step":
            names = "trainable, non-trainable and metrics variables"
        raise InputError(
            explain(
                f"{type(model).__name__}.{method} did not return logs and state.",
                where=f"made at {model._lamina.made_at}",
                expected=f"(logs, state): a dict of scalars, and lists of {lengths} values of "
                f"{names}",
                received=f"lists of {found} values" if found else "another result",
                remedy="Return logs, (trainable_variables, ...), in the order of the argument.",
            )
        )
    flat: dict[str, Any] = {}
    for name, value in cast("Mapping[str, Any]", logs).items():
        flat |= cast("dict[str, Any]", value) if isinstance(value, Mapping) else {name: value}
    return {name: jnp.asarray(value) for name, value in flat.items()}, lists
