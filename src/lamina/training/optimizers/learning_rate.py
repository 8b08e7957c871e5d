"""The learning rate within an optimizer's state, where there is one that can be set."""

from __future__ import annotations

from collections.abc import Iterable

import jax.numpy as jnp

from lamina.errors import InputError, explain
from lamina.training.checkpoints.trainer_state import by_name
from lamina.training.step.step import Carry, Program

__all__ = ["find", "replaced"]


_RATE, _SCHEDULE = "hyperparams/learning_rate", "hyperparams_states/learning_rate"


def find(names: Iterable[str], to_set: bool = False) -> str:
    """The name of the learning rate among those of an optimizer's arrays.

    Raises:
        InputError: there is none, or one is to be set that follows a schedule.

    >>> find(["0/count", "1/hyperparams/learning_rate"])
    '1/hyperparams/learning_rate'
    """
    given = list(names)
    found = [name for name in given if name.endswith(_RATE)]
    if not found:
        raise InputError(_none("the transformation has its rate compiled in"))
    if to_set and any(_SCHEDULE in name for name in given):
        raise InputError(_none("its rate follows a schedule"))
    return found[0]


def replaced(program: Program, carry: Carry, rate: float) -> Carry:
    """The carry with another learning rate."""
    names = list(by_name(program.optimizer_state(carry)))
    leaves = list(carry.optimizer)
    at = names.index(find(names, to_set=True))
    leaves[at] = jnp.asarray(rate, leaves[at].dtype)
    return carry._replace(optimizer=tuple(leaves))


def _none(reason: str) -> str:
    return explain(
        "The optimizer has no learning rate that can be set while it runs.",
        expected="an optimizer by name, such as 'adam', or one of optax.inject_hyperparams",
        received=reason,
        remedy="Say compile('adam', learning_rate=3e-4), or "
        "optax.inject_hyperparams(optax.adam)(learning_rate=3e-4).",
    )
