"""The random keys that `stateless_call` of a model passes on from call to call.

Where calls have a default key (`lamina.set_default_rng`), ``non_trainable_variables`` of a model
whose layers draw ends with a variable of the data of a key, as in Keras. A compiled loop of one's
own, which passes these values on, so draws other numbers in each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from lamina.core.base.jax_internals import outside_traces
from lamina.core.base.pytrees import as_array
from lamina.core.calling import views
from lamina.core.running.keys import has_default, new_default
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable
from lamina.core.tree.walk import walk

__all__ = ["KeyState", "non_trainable_variables", "split", "without_key"]

_random: Any = jax.random


class KeyState:
    """The variable of the data of a key, and the implementation of the key."""

    def __init__(self, key: Any) -> None:
        data = np.asarray(_random.key_data(key))
        self.implementation = _random.key_impl(key)
        variable = Variable(data.shape, "zeros", dtype=data.dtype, trainable=False, name="key")
        self.variable = variable.assign(data)


def non_trainable_variables(model: Any) -> list[Variable]:
    """The variables that training does not update by gradients: statistics and frozen weights.

    In programs that use `lamina.compat.keras`, that of the random key follows if a layer draws.
    """
    found = views.non_trainable_variables(model)
    state = _state(model) if has_default() and model.built else None
    return found if state is None else [*found, state.variable]


def _state(model: Any) -> KeyState | None:
    node = model._lamina
    if node.key_state is None and any(_draws(layer) for _, layer in walk(model).layers.values()):
        node.key_state = KeyState(outside_traces(new_default))
    return node.key_state


def _draws(layer: Tracked) -> bool:
    return hasattr(layer, "seed") or any(
        getattr(value, "_draws_from_calls", False) for value in vars(layer).values()
    )


def without_key(model: Any, values: Sequence[Any]) -> tuple[Sequence[Any], list[Any]]:
    """Return the values of ``non_trainable_variables``, and a list with the data of the key.

    Args:
        model: the model, or a layer, which has none.
        values: those of ``model.non_trainable_variables``, with or without the key.
    """
    state = getattr(model._lamina, "key_state", None)
    count = len(views.non_trainable_variables(model))
    if state is None or len(values) != count + 1:
        return values, []
    return values[:count], [values[count]]


def split(model: Any, data: Any) -> tuple[Any, Any]:
    """Return a key for a call, and the data of that of the next one."""
    state: KeyState = model._lamina.key_state
    array = as_array(data)
    used, kept = _random.split(_random.wrap_key_data(array, impl=state.implementation))
    return used, _random.key_data(kept)
