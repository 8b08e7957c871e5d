"""The learning rate in the state of an optimizer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from lamina.errors import InputError, explain

__all__ = ["LearningRateValue", "learning_rate_name", "of_step"]

_RATE, _SCHEDULE = "hyperparams/learning_rate", "hyperparams_states/learning_rate"


class LearningRateValue(float):
    """The learning rate of an optimizer: a float that can be assigned, as a variable of Keras.

    >>> LearningRateValue(0.5).numpy()
    np.float32(0.5)
    """

    _set: Callable[[float], None] | None = None

    @classmethod
    def of(cls, rate: float, set_rate: Callable[[float], None]) -> LearningRateValue:
        """Return a learning rate whose `assign` calls ``set_rate(rate)``."""
        made = cls(rate)
        made._set = set_rate
        return made

    def numpy(self) -> np.float32:
        """Return the learning rate as a NumPy scalar."""
        return np.float32(self)

    @property
    def value(self) -> np.float32:
        """The learning rate as a NumPy scalar, as :meth:`numpy`."""
        return self.numpy()

    def assign(self, rate: Any) -> None:
        """Set the learning rate of the optimizer.

        Args:
            rate: a positive number.

        Raises:
            InputError: the learning rate follows a schedule.
        """
        if self._set is not None:
            self._set(float(rate))


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


def of_step(rate: Callable[..., Any]) -> Callable[..., Any]:
    """A schedule as a function of the step; as in Keras, it may take no argument.

    >>> of_step(lambda: 0.5)(3)
    0.5
    """
    try:
        parameters = inspect.signature(rate).parameters
    except (TypeError, ValueError):
        return rate
    if parameters:
        return rate

    def constant(step: Any) -> Any:
        return rate()

    return constant


def _not_available(received: str) -> str:
    return explain(
        "The optimizer has no learning rate that can be changed during training.",
        expected="an optimizer by name, such as 'adam', or one made by optax.inject_hyperparams",
        received=received,
        remedy="Call compile('adam', learning_rate=3e-4), or pass "
        "optax.inject_hyperparams(optax.adam)(learning_rate=3e-4).",
    )
