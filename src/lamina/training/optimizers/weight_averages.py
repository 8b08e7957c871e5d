"""Moving averages of the weights, as a part of an optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import map_pairs, map_tree
from lamina.counts import as_count
from lamina.errors import InputError, explain
from lamina.lazy import lazily

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["WeightAverages", "average_names", "weight_averages"]


class WeightAverages(NamedTuple):
    """The state of :func:`weight_averages`.

    Attributes:
        steps: the number of steps, an int32 scalar.
        averages: the averages of the weights by path.
    """

    steps: jax.Array
    averages: Any


def weight_averages(
    momentum: float, overwrite_frequency: int | None = None, batches: int = 1
) -> optax.GradientTransformation:
    """Keep averages ``average = momentum average + (1 - momentum) weight`` after each step.

    The average after the first update is the weight itself.

    Args:
        momentum: in [0, 1).
        overwrite_frequency: the number of updates after which the weights are replaced by their
            averages, each time; None (default) leaves them.
        batches: the number of steps in one update. Default 1.

    Raises:
        InputError: the momentum is not in [0, 1), or the frequency is not a positive integer.
    """
    if overwrite_frequency is not None:
        overwrite_frequency = as_count("ema_overwrite_frequency", overwrite_frequency, example=100)
    if not 0 <= momentum < 1:
        raise InputError(
            explain(
                "The momentum of the averages of the weights is not in [0, 1).",
                expected="a number in [0, 1)",
                received=repr(momentum),
                remedy="Pass ema_momentum=0.99, for example.",
            )
        )

    def init(params: Any) -> Any:
        return WeightAverages(jnp.zeros((), jnp.int32), map_tree(jnp.copy, params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        new_weights: Any = optax.apply_updates(params, updates)
        number = state.steps // batches if batches > 1 else state.steps
        m = jnp.where(number == 0, 0.0, momentum)

        def mean(average: Any, weight: Any) -> Any:
            return (m * average + (1 - m) * weight).astype(weight.dtype)

        averages = map_pairs(mean, state.averages, new_weights)
        if overwrite_frequency is not None:
            due = (number + 1) % overwrite_frequency == 0
            replaced = map_pairs(lambda average, weight: average - weight, averages, params)
            updates = map_pairs(lambda r, u: jnp.where(due, r, u), replaced, updates)
        return updates, WeightAverages(state.steps + 1, averages)

    return optax.GradientTransformation(init, update)


def average_names(names: Mapping[str, Any]) -> dict[str, str]:
    """Select the averages of weights among the arrays of an optimizer.

    Args:
        names: the arrays of the optimizer's state by name.

    Returns:
        The name of the average of each weight, by the weight's path.

    >>> average_names({"0/count": 0, "1/averages/dense.kernel": 0})
    {'dense.kernel': '1/averages/dense.kernel'}
    """
    parts = {name: name.partition("averages/") for name in names}
    return {path: name for name, (_, found, path) in parts.items() if found}
