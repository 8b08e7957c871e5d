"""`tf.keras.optimizers.schedules`: learning rates as functions of the step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from lamina.compat.tf.missing import missing
from lamina.configured import Configured

__all__ = [
    "CosineDecay",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
]


class LearningRateSchedule(Configured):
    """Base class of schedules. `__call__(step)` returns the learning rate."""

    def __call__(self, step: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __call__(self, step).")


@dataclass
class ExponentialDecay(LearningRateSchedule):
    """``initial_learning_rate decay_rate^(step / decay_steps)``.

    With `staircase`, the exponent is rounded down.
    """

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False

    def __call__(self, step: Any) -> jax.Array:
        exponent = step / self.decay_steps
        exponent = jnp.floor(exponent) if self.staircase else exponent
        return self.initial_learning_rate * jnp.power(self.decay_rate, exponent)


@dataclass
class InverseTimeDecay(LearningRateSchedule):
    """``initial_learning_rate / (1 + decay_rate step / decay_steps)``.

    With `staircase`, ``step / decay_steps`` is rounded down.
    """

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False

    def __call__(self, step: Any) -> jax.Array:
        periods = step / self.decay_steps
        periods = jnp.floor(periods) if self.staircase else jnp.asarray(periods)
        return self.initial_learning_rate / (1 + self.decay_rate * periods)


@dataclass
class PolynomialDecay(LearningRateSchedule):
    """Polynomial decay to `end_learning_rate` within `decay_steps`.

    ``(initial - end) (1 - step / decay_steps)^power + end``
    """

    initial_learning_rate: float
    decay_steps: int
    end_learning_rate: float = 0.0001
    power: float = 1.0

    def __call__(self, step: Any) -> jax.Array:
        remaining = 1 - jnp.minimum(step, self.decay_steps) / self.decay_steps
        span = self.initial_learning_rate - self.end_learning_rate
        return span * remaining**self.power + self.end_learning_rate


@dataclass
class CosineDecay(LearningRateSchedule):
    """Cosine decay to ``alpha`` times the peak learning rate, after an optional linear warmup.

    The peak is `warmup_target`, or `initial_learning_rate` without a warmup.
    """

    initial_learning_rate: float
    decay_steps: int
    alpha: float = 0.0
    warmup_target: float | None = None
    warmup_steps: int = 0

    def __call__(self, step: Any) -> jax.Array:
        peak = self.initial_learning_rate if self.warmup_target is None else self.warmup_target
        cosine = optax.cosine_decay_schedule(peak, self.decay_steps, self.alpha)
        if self.warmup_target is None:
            return jnp.asarray(cosine(step))
        warmup = optax.linear_schedule(self.initial_learning_rate, peak, self.warmup_steps)
        return jnp.asarray(optax.join_schedules([warmup, cosine], [self.warmup_steps])(step))


@dataclass
class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[i]`` up to step ``boundaries[i]`` (inclusive), and the last value afterwards."""

    boundaries: Sequence[int]
    values: Sequence[float]

    def __call__(self, step: Any) -> jax.Array:
        passed = jnp.searchsorted(jnp.asarray(self.boundaries), step, side="left")
        return jnp.asarray(self.values)[passed]


def __getattr__(name: str) -> Any:
    raise missing("tf.keras.optimizers.schedules", name, __all__)
