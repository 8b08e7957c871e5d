"""The arrays that steps of training change."""

from __future__ import annotations

from typing import NamedTuple

import jax

from lamina.training.step.epoch_accumulators import Accumulators

__all__ = ["Carry"]


class Carry(NamedTuple):
    """All arrays that a step changes; they are donated from step to step.

    Attributes:
        trainable: the values of the trainable variables.
        non_trainable: the values of the other variables.
        optimizer: the leaves of the optimizer's state.
        accumulators: of the present epoch.
        steps: the number of steps with finite loss and gradients, an int32 scalar.
        finite: whether the loss and gradients of all steps were finite, a bool scalar. Once it is
            false, steps change nothing, so that the values before the failing step are kept.
    """

    trainable: tuple[jax.Array, ...]
    non_trainable: tuple[jax.Array, ...]
    optimizer: tuple[jax.Array, ...]
    accumulators: Accumulators
    steps: jax.Array
    finite: jax.Array
