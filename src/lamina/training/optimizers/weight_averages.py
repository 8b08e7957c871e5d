"""Running averages of the weights, as a part of an optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import map_pairs, map_tree
from lamina.errors import InputError, explain
from lamina.lazy import lazily

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["Averages", "found_in", "of_weights"]


class Averages(NamedTuple):
    """The averages of the weights by path, and how many steps they are of."""

    steps: jax.Array
    averages: Any


def of_weights(momentum: float) -> optax.GradientTransformation:
    """``a = m a + (1 - m) w`` after each step; the first average is the weight itself.

    Raises:
        InputError: the momentum is not in [0, 1).
    """
    if not 0 <= momentum < 1:
        raise InputError(
            explain(
                "The averages of the weights would not follow them.",
                expected="a momentum from 0 up to below 1",
                received=repr(momentum),
                remedy="Give ema_momentum=0.99, for example.",
            )
        )

    def init(params: Any) -> Any:
        return Averages(jnp.zeros((), jnp.int32), map_tree(jnp.copy, params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        moved: Any = optax.apply_updates(params, updates)
        m = jnp.where(state.steps == 0, 0.0, momentum)

        def mean(average: Any, weight: Any) -> Any:
            return (m * average + (1 - m) * weight).astype(weight.dtype)

        return updates, Averages(state.steps + 1, map_pairs(mean, state.averages, moved))

    return optax.GradientTransformation(init, update)


def found_in(arrays: Mapping[str, Any]) -> dict[str, str]:
    """The names of the averages among those of an optimizer's arrays, by the weight's path.

    >>> found_in({"0/count": 0, "1/averages/dense.kernel": 0})
    {'dense.kernel': '1/averages/dense.kernel'}
    """
    parts = {name: name.partition("averages/") for name in arrays}
    return {path: name for name, (_, mark, path) in parts.items() if mark}
