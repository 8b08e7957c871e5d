"""`keras.optimizers.legacy`: names that are errors when they are called, as in Keras 3."""

from __future__ import annotations

from typing import Any

from lamina.errors import LaminaError, explain

__all__ = ["SGD", "Adagrad", "Adam", "Ftrl", "Optimizer", "RMSprop"]


class Optimizer:
    """An optimizer of Keras 2, which Keras 3 does not have either.

    Raises:
        ImportError: always.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name = type(self).__name__
        raise _MissingOptimizerError(
            explain(
                f"keras.optimizers.legacy.{name} is not supported, as in Keras 3.",
                remedy=f"Use keras.optimizers.{name}.",
            )
        )


class _MissingOptimizerError(LaminaError, ImportError):
    """An optimizer of Keras 2."""


class Adagrad(Optimizer):
    """See :class:`Optimizer`."""


class Adam(Optimizer):
    """See :class:`Optimizer`."""


class Ftrl(Optimizer):
    """See :class:`Optimizer`."""


class RMSprop(Optimizer):
    """See :class:`Optimizer`."""


class SGD(Optimizer):
    """See :class:`Optimizer`."""
