"""Accumulators of an epoch: sums of the loss and of logs, and the states of metrics."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.base.host_memory import copied
from lamina.core.base.pytrees import map_pairs, map_tree
from lamina.training.step.objective import BatchLoss, Objective

__all__ = ["Accumulators", "add", "add_losses", "empty", "means", "restarted"]

Sum = tuple[Any, Any]
"""A weighted sum and the sum of the weights, float32 scalars."""


class Accumulators(NamedTuple):
    """What is accumulated over the batches of an epoch.

    Attributes:
        loss: the sum of the losses, each weighted by its batch size.
        logs: the same for each further log of the objective.
        metrics: the state of each metric.
    """

    loss: Sum
    logs: tuple[Sum, ...]
    metrics: tuple[Any, ...]


def empty(objective: Objective) -> Accumulators:
    """Return the accumulators before the first batch."""
    zero = (np.zeros((), np.float32), np.zeros((), np.float32))
    logs = tuple(zero for _ in objective.log_names)
    fresh = Accumulators(zero, logs, objective.metric_states())
    return map_tree(copied, fresh)  # separate buffers: a metric may return one array twice


def restarted(objective: Objective, before: Accumulators) -> Accumulators:
    """Return the accumulators at the beginning of an epoch after others.

    They are empty, except for metrics of `tf.keras` whose own `reset_state` keeps values.
    """
    fresh = empty(objective)
    states = zip(objective.metrics, before.metrics, fresh.metrics, strict=True)
    return fresh._replace(metrics=map_tree(copied, tuple(one._restarted(*p) for one, *p in states)))


def add(objective: Objective, before: Accumulators, batch: BatchLoss) -> Accumulators:
    """Add a batch."""
    states = tuple(
        metric.update(state, labels, outputs, sample_weight=weights)
        for metric, state, (labels, outputs, weights) in zip(
            objective.metrics, before.metrics, batch.metric_inputs, strict=True
        )
    )
    return _with_sums(objective, before, batch)._replace(metrics=states)


def add_losses(
    objective: Objective, before: Accumulators, batch: BatchLoss, condition: jax.Array
) -> Accumulators:
    """Add the loss and the logs of a batch, and not its metrics, where `condition` is true."""
    after = _with_sums(objective, before, batch)
    loss, logs = map_pairs(lambda a, b: jnp.where(condition, a, b), after[:2], before[:2])
    return before._replace(loss=loss, logs=logs)


def _with_sums(objective: Objective, before: Accumulators, batch: BatchLoss) -> Accumulators:
    size = batch.size

    def plus(one: Sum, value: jax.Array) -> Sum:
        return one[0] + value.astype(jnp.float32) * size, one[1] + size

    logs = zip(objective.log_names, before.logs, strict=True)
    return before._replace(
        loss=plus(before.loss, batch.loss),
        logs=tuple(plus(o, batch.logs[name]) if name in batch.logs else o for name, o in logs),
    )


def means(objective: Objective, total: Accumulators) -> tuple[jax.Array, ...]:
    """Return the mean loss, the means of the logs, and the results of the metrics, in order."""
    averages = [one / jnp.maximum(count, 1) for one, count in (total.loss, *total.logs)]
    states = zip(objective.metrics, total.metrics, strict=True)
    return (*averages, *(metric.result(state) for metric, state in states))
