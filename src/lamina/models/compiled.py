"""The arguments of `compile` with the state of the optimizer, as copies and files keep them."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lamina.errors import explain
from lamina.lazy import lazily

if TYPE_CHECKING:
    from lamina.saving import TrainingArrays
    from lamina.training.loop import training_state
    from lamina.training.loop.trainer import Trainer
else:
    training_state = lazily("lamina.training.loop.training_state")

__all__ = ["Compiled", "compiled_with"]


@dataclass(frozen=True)
class Compiled:
    """How a model was compiled, and how far it was trained.

    Attributes:
        arguments: those of `compile`, by name.
        state: the state of training; None before the first step.
    """

    arguments: dict[str, Any]
    state: TrainingArrays | None

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled:
        return self  # losses, metrics and optimizers do not change

    def __reduce__(self) -> Any:
        try:
            pickle.dumps(self.arguments)
        except Exception as error:  # a lambda, or a transformation made of local functions
            warnings.warn(
                explain(
                    "The pickle of a model leaves out how it was compiled.",
                    expected="a loss, metrics and an optimizer that pickle can store",
                    received=f"{type(error).__name__}: {str(error)[:200]}",
                    remedy="Call compile on the unpickled model; or pass names to compile, such as "
                    "'adam'.",
                ),
                UserWarning,
                stacklevel=2,
            )
            return _nothing, ()
        return Compiled, (self.arguments, self.state)


def _nothing() -> None:
    """The value that replaces arguments which pickle cannot store."""


def compiled_with(arguments: dict[str, Any] | None, trainer: Trainer | None) -> Compiled | None:
    """Return what to keep of a compiled model; None if it is not compiled."""
    if arguments is None or trainer is None:
        return None
    return Compiled(arguments, training_state.training_state(trainer))
