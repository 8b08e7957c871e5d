"""The learning rate in the state of an optimizer."""

from __future__ import annotations

from collections.abc import Iterable

from lamina.errors import InputError, explain

__all__ = ["learning_rate_name"]

_RATE, _SCHEDULE = "hyperparams/learning_rate", "hyperparams_states/learning_rate"


def learning_rate_name(names: Iterable[str], to_set: bool = False) -> str:
    """Return the name of the learning rate among the arrays of an optimizer's state.

    Args:
        names: the names of the arrays.
        to_set: whether the learning rate is to be set, and not only read.

    Raises:
        InputError: there is none, or it is to be set and follows a schedule.

    >>> learning_rate_name(["0/count", "1/hyperparams/learning_rate"])
    '1/hyperparams/learning_rate'
    """
    names = list(names)
    found = [name for name in names if name.endswith(_RATE)]
    if not found:
        raise InputError(_not_available("a transformation with a constant learning rate"))
    if to_set and any(_SCHEDULE in name for name in names):
        raise InputError(_not_available("a learning rate that follows a schedule"))
    return found[0]


def _not_available(received: str) -> str:
    return explain(
        "The optimizer has no learning rate that can be changed during training.",
        expected="an optimizer by name, such as 'adam', or one made by optax.inject_hyperparams",
        received=received,
        remedy="Call compile('adam', learning_rate=3e-4), or pass "
        "optax.inject_hyperparams(optax.adam)(learning_rate=3e-4).",
    )
