"""One step of training as a pure function of flat tuples of arrays, and many steps as a loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.host_memory import copied
from lamina.core.base.jax_internals import is_traced
from lamina.core.base.pytrees import flatten, leaves_of, map_pairs, map_tree, unflatten
from lamina.core.calling.root import Root
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.lazy import lazily
from lamina.training.data import padding
from lamina.training.nonfinite.gradients import look_finite
from lamina.training.optimizers.initial_state import begun
from lamina.training.step.objective import Objective, Verdict
from lamina.training.step.working_memory import compiled

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["Carry", "Program", "Tallies", "apart"]

Tallies = tuple[Any, ...]


class Carry(NamedTuple):
    """All that a step changes: tuples of arrays, donated from step to step.

    ``healthy`` falls when a loss or a gradient is not finite; from then on steps change nothing,
    so that the state before the bad step can be looked at. ``steps`` counts the healthy steps.
    """

    weights: tuple[jax.Array, ...]
    state: tuple[jax.Array, ...]
    optimizer: tuple[jax.Array, ...]
    tallies: Tallies
    steps: jax.Array
    healthy: jax.Array


class Program:
    """The steps of one objective on one set of variables, traced once for each kind of batch."""

    def __init__(
        self,
        layer: Tracked,
        objective: Objective,
        optimizer: optax.GradientTransformation,
        weights: dict[str, Variable],
        state: dict[str, Variable],
        seed: int,
        jit: bool,
        guarded: bool = True,
    ) -> None:
        self.layer = layer
        self.objective = objective
        self.optimizer = optimizer
        self.weights = weights
        self.state = state
        self.seed = seed
        self.guarded = guarded
        self._jit = jit
        self._slots = {id(variable): index for index, variable in enumerate(state.values())}
        self._structure: Any = None
        self.one = compiled(self._one, jit, donate=True)
        self.many = compiled(self._many, jit, donate=True)
        self.many_padded = compiled(self._many_padded, jit, donate=True)
        self.judge = compiled(self._judge, jit)
        self.judge_many = compiled(self._judge_many, jit)
        self.pads = padding.Findings(jit)
        self.results = compiled(self._results, jit)

    def start(self, weights: tuple[jax.Array, ...], state: tuple[jax.Array, ...]) -> Carry:
        """The carry before the first step."""
        named = dict(zip(self.weights, weights, strict=True))
        leaves, self._structure = flatten(begun(self.optimizer.init, named, self._jit))
        return apart(
            Carry(
                weights,
                state,
                tuple(jnp.asarray(leaf) for leaf in leaves),
                self.no_tallies(),
                jax.device_put(np.zeros((), np.int32)),
                jax.device_put(np.ones((), bool)),
            )
        )

    def key(self, count: Any) -> jax.Array:
        """The key of a step, by how many healthy ones there were before it."""
        return jax.random.fold_in(jax.random.key(self.seed), count)

    def optimizer_state(self, carry: Carry) -> Any:
        """The optimizer's state as the optimizer has it."""
        return unflatten(self._structure, carry.optimizer)

    def no_tallies(self) -> Tallies:
        """The tallies of an epoch before its first batch: loss, logs, metrics."""
        empty = (np.zeros((), np.float32), np.zeros((), np.float32))
        logs = tuple(empty for _ in self.objective.log_names)
        fresh: Tallies = map_tree(copied, (empty, logs, self.objective.no_counts()))
        return fresh  # copies: a metric may give one array of zeros twice, or keep its own

    def _verdict(
        self, weights: Any, state: Any, batch: Any, training: bool, count: Any, kept: Any
    ) -> tuple[jax.Array, tuple[Verdict, tuple[jax.Array, ...]]]:
        given = {id(v): a for v, a in zip(self.weights.values(), weights, strict=True)}
        given |= {id(v): a for v, a in zip(self.state.values(), state, strict=True)}
        options = {"training": training, "rng": self.key(count)}
        root = Root(self.layer, self.objective, (batch,), options)
        root.ensure()
        with self.objective.keeping(kept):
            verdict, written = root.apply(given)
        after = list(state)
        for key, value in written.items():
            if key in self._slots:
                after[self._slots[key]] = value
        return verdict.loss, (verdict, tuple(after))

    def _one(
        self, carry: Carry, batch: Any, kept: Any = None
    ) -> tuple[Carry, dict[str, jax.Array]]:
        """One step, and what it came to; `kept` are the examples that count, if not all do."""
        grad = jax.value_and_grad(self._verdict, has_aux=True)
        (loss, (verdict, state)), slopes = grad(
            carry.weights, carry.state, batch, True, carry.steps, kept
        )
        healthy = carry.healthy
        if self.guarded:
            healthy &= jnp.isfinite(loss) & look_finite(slopes)

        def moved(slopes: Any) -> Carry:
            return self._moved(carry, slopes, state, verdict)

        before = carry._replace(tallies=self._told(carry, verdict))
        after = _chosen(healthy, slopes, moved, before)
        return after._replace(healthy=healthy), {"loss": loss, **verdict.logs}

    def _moved(self, carry: Carry, slopes: Any, state: Any, verdict: Verdict) -> Carry:
        """What a step comes to where all is well."""
        weights = dict(zip(self.weights, carry.weights, strict=True))
        updates, after = self.optimizer.update(
            dict(zip(self.weights, slopes, strict=True)), self.optimizer_state(carry), weights
        )
        moved: Any = optax.apply_updates(weights, updates)
        return carry._replace(
            weights=tuple(_allowed(v, moved[path]) for path, v in self.weights.items()),
            state=state,
            optimizer=tuple(leaves_of(after)),
            tallies=self._tally(carry.tallies, verdict),
            steps=carry.steps + 1,
        )

    def _many(self, carry: Carry, data: Any, order: Any, first: Any, stop: Any) -> Carry:
        """The steps `first` to `stop` of an epoch, whose batches `order` [steps, batch] lists."""

        def one(index: Any, carry: Carry) -> Carry:
            return self._one(carry, _rows(data, order[index]))[0]

        return cast(Any, jax.lax.fori_loop)(first, stop, one, carry)

    def _many_padded(
        self, carry: Carry, data: Any, order: Any, count: Any, first: Any, stop: Any
    ) -> tuple[Carry, jax.Array]:
        """The same for `count` examples, the last batch filled up; and the loss of the last."""

        def one(index: Any, both: tuple[Carry, jax.Array]) -> tuple[Carry, jax.Array]:
            kept = padding.kept(order, index, count)
            carry, logs = self._one(both[0], _rows(data, order[index]), kept)
            return carry, logs["loss"].astype(jnp.float32)

        start = (carry, jnp.zeros((), jnp.float32))
        return cast(Any, jax.lax.fori_loop)(first, stop, one, start)

    def _judge(
        self, weights: Any, state: Any, tallies: Tallies, batch: Any, kept: Any = None
    ) -> Tallies:
        _, (verdict, _) = self._verdict(weights, state, batch, False, 0, kept)
        return self._tally(tallies, verdict)

    def _judge_many(
        self,
        weights: Any,
        state: Any,
        tallies: Any,
        data: Any,
        order: Any,
        first: Any,
        stop: Any,
        count: Any = None,
    ) -> Tallies:
        def one(index: Any, tallies: Tallies) -> Tallies:
            kept = None if count is None else padding.kept(order, index, count)
            return self._judge(weights, state, tallies, _rows(data, order[index]), kept)

        return cast(Any, jax.lax.fori_loop)(first, stop, one, tallies)

    def _tally(self, tallies: Tallies, verdict: Verdict) -> Tallies:
        states = tuple(
            metric.update(state, labels, outputs, sample_weight=weights)
            for metric, state, (labels, outputs, weights) in zip(
                self.objective.metrics, tallies[2], verdict.parts, strict=True
            )
        )
        return (*self._sums(tallies, verdict), states)

    def _sums(self, tallies: Tallies, verdict: Verdict) -> tuple[Any, Any]:
        """The tallies of the loss and of the logs with those of a batch."""
        (total, count), logs, _ = tallies
        size = verdict.size
        told = zip(self.objective.log_names, logs, strict=True)
        return (
            (total + verdict.loss.astype(jnp.float32) * size, count + size),
            tuple(
                (t + verdict.logs[name].astype(jnp.float32) * size, c + size)
                if name in verdict.logs
                else (t, c)
                for name, (t, c) in told
            ),
        )

    def _told(self, carry: Carry, verdict: Verdict) -> Tallies:
        """The tallies after a step that changes nothing: the loss of the first such step counts."""
        sums = self._sums(carry.tallies, verdict)
        kept = map_pairs(lambda a, b: jnp.where(carry.healthy, a, b), sums, carry.tallies[:2])
        return (*kept, carry.tallies[2])

    def _results(self, tallies: Tallies) -> tuple[jax.Array, ...]:
        (total, count), logs, states = tallies
        means = [total / jnp.maximum(count, 1) for total, count in ((total, count), *logs)]
        told = zip(self.objective.metrics, states, strict=True)
        return (*means, *(metric.result(state) for metric, state in told))

    def named(self, tallies: Tallies) -> dict[str, jax.Array]:
        """What tallies come to, by name: the loss first."""
        metrics = [judge.name for judge in self.objective.judges]
        names = ["loss", *self.objective.log_names, *metrics]
        return dict(zip(names, self.results(tallies), strict=True))


def apart(tree: Any) -> Any:
    """The tree with a copy of each array that stands in it before: what is donated may not be one.

    An optimizer may begin with the weights themselves, or with one array of zeros twice.

    >>> zero = jnp.zeros(())
    >>> one, other = apart((zero, zero))
    >>> one is zero, other is zero
    (True, False)
    """
    seen: set[int] = set()

    def once(leaf: Any) -> Any:
        known = id(leaf) in seen
        seen.add(id(leaf))
        return jnp.copy(leaf) if known else leaf

    return map_tree(once, tree)


def _chosen(healthy: jax.Array, slopes: Any, moved: Callable[[Any], Carry], before: Carry) -> Carry:
    """The carry after a step if all is well, else the one before.

    A branch, so that arrays are updated where they are. On an accelerator it would wait for the
    host: there each number is chosen, behind a barrier, without which XLA joins gradients and
    update into loops that compute the moments twice.
    """
    if not is_traced(healthy):
        return moved(slopes) if healthy else before
    if jax.default_backend() == "cpu":

        def after() -> Carry:
            return map_pairs(lambda a, b: jnp.asarray(a, b.dtype), moved(slopes), before)

        return cast(Any, jax.lax.cond)(healthy, after, lambda: before)
    slopes, healthy = cast(Any, jax.lax.optimization_barrier)((slopes, healthy))
    return map_pairs(lambda a, b: jnp.where(healthy, a, b), moved(slopes), before)


def _allowed(variable: Variable, value: jax.Array) -> jax.Array:
    return (
        value if variable.constraint is None else variable.over_copies(variable.constraint, value)
    )


def _rows(data: Any, index: Any) -> Any:
    return map_tree(lambda array: array.at[index].get(mode="promise_in_bounds"), data)
