"""`tf.keras.optimizers.schedules`: learning rates as functions of the step."""

from __future__ import annotations

import math
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
    "CosineDecayRestarts",
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
    name: str = "ExponentialDecay"

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
    name: str = "InverseTimeDecay"

    def __call__(self, step: Any) -> jax.Array:
        periods = step / self.decay_steps
        periods = jnp.floor(periods) if self.staircase else jnp.asarray(periods)
        return self.initial_learning_rate / (1 + self.decay_rate * periods)


@dataclass
class PolynomialDecay(LearningRateSchedule):
    """Polynomial decay to `end_learning_rate` within `decay_steps`.

    ``(initial - end) (1 - step / decay_steps)^power + end``. With `cycle`, `decay_steps` is
    multiplied by the smallest integer that makes it at least `step`.
    """

    initial_learning_rate: float
    decay_steps: int
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False
    name: str = "PolynomialDecay"

    def __call__(self, step: Any) -> jax.Array:
        ratio = jnp.asarray(step / self.decay_steps)
        periods = jnp.maximum(jnp.ceil(ratio), 1) if self.cycle else 1
        remaining = 1 - jnp.minimum(ratio / periods, 1)
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
    name: str = "CosineDecay"
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
class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decay to ``alpha`` times the learning rate, again and again.

    The first period has `first_decay_steps`. Each period is `t_mul` times as long as the one
    before, and begins at `m_mul` times its learning rate.
    """

    initial_learning_rate: float
    first_decay_steps: int
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0
    name: str = "SGDRDecay"

    def __call__(self, step: Any) -> jax.Array:
        ratio = jnp.asarray(step / self.first_decay_steps)
        if self.t_mul == 1:
            period = jnp.floor(ratio)
            passed = ratio - period
        else:
            period = jnp.floor(jnp.log1p(ratio * (self.t_mul - 1)) / math.log(self.t_mul))
            length = jnp.power(self.t_mul, period)
            passed = (ratio - (length - 1) / (self.t_mul - 1)) / length
        cosine = 0.5 * (1 + jnp.cos(jnp.pi * passed)) * jnp.power(self.m_mul, period)
        return self.initial_learning_rate * ((1 - self.alpha) * cosine + self.alpha)


@dataclass
class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[i]`` up to step ``boundaries[i]`` (inclusive), and the last value afterwards."""

    boundaries: Sequence[int]
    values: Sequence[float]
    name: str = "PiecewiseConstant"

    def __call__(self, step: Any) -> jax.Array:
        passed = jnp.searchsorted(jnp.asarray(self.boundaries), step, side="left")
        return jnp.asarray(self.values)[passed]


def __getattr__(name: str) -> Any:
    raise missing("tf.keras.optimizers.schedules", name, __all__)
