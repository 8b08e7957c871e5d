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
from lamina.errors import InputError, explain

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

    def __post_init__(self) -> None:
        _check_positive(self, "decay_steps")

    def __call__(self, step: Any) -> jax.Array:
        exponent = step // self.decay_steps if self.staircase else step / self.decay_steps
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

    def __post_init__(self) -> None:
        _check_positive(self, "decay_steps")

    def __call__(self, step: Any) -> jax.Array:
        periods = step // self.decay_steps if self.staircase else step / self.decay_steps
        return jnp.asarray(self.initial_learning_rate / (1 + self.decay_rate * periods))


@dataclass
class PolynomialDecay(LearningRateSchedule):
    """Polynomial decay to `end_learning_rate` within `decay_steps`.

    ``(initial - end) (1 - step / decay_steps)^power + end``

    With `cycle`, a step beyond `decay_steps` uses the next multiple of `decay_steps` instead.
    """

    initial_learning_rate: float
    decay_steps: int
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False
    name: str = "PolynomialDecay"

    def __post_init__(self) -> None:
        _check_positive(self, "decay_steps")

    def __call__(self, step: Any) -> jax.Array:
        if self.cycle:
            steps = self.decay_steps * jnp.maximum(1, -(-step // self.decay_steps))
        else:
            step, steps = jnp.minimum(step, self.decay_steps), self.decay_steps
        span = self.initial_learning_rate - self.end_learning_rate
        return span * (1 - step / steps) ** self.power + self.end_learning_rate


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

    def __post_init__(self) -> None:
        _check_positive(self, "decay_steps")

    def __call__(self, step: Any) -> jax.Array:
        peak = self.initial_learning_rate if self.warmup_target is None else self.warmup_target
        cosine = optax.cosine_decay_schedule(peak, self.decay_steps, self.alpha)
        if self.warmup_target is None:
            return jnp.asarray(cosine(step))
        warmup = optax.linear_schedule(self.initial_learning_rate, peak, self.warmup_steps)
        return jnp.asarray(optax.join_schedules([warmup, cosine], [self.warmup_steps])(step))


@dataclass
class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decay to ``alpha initial_learning_rate`` that restarts (arXiv 1608.03983).

    The first period has `first_decay_steps` steps, each later one `t_mul` times those of the one
    before. Period i starts from ``m_mul^i initial_learning_rate``.
    """

    initial_learning_rate: float
    first_decay_steps: int
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0
    name: str = "SGDRDecay"

    def __post_init__(self) -> None:
        _check_positive(self, "first_decay_steps")

    def __call__(self, step: Any) -> jax.Array:
        passed, growth = step / self.first_decay_steps, self.t_mul
        if growth == 1:
            period = step // self.first_decay_steps
            fraction = passed - period
        else:
            period = jnp.floor(jnp.log(1 - passed * (1 - growth)) / jnp.log(growth))
            length = jnp.power(growth, period)
            fraction = (passed - (1 - length) / (1 - growth)) / length
        cosine = 0.5 * jnp.power(self.m_mul, period) * (1 + jnp.cos(jnp.pi * fraction))
        return self.initial_learning_rate * ((1 - self.alpha) * cosine + self.alpha)


@dataclass
class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[i]`` up to step ``boundaries[i]`` (inclusive), and the last value afterwards."""

    boundaries: Sequence[int]
    values: Sequence[float]
    name: str = "PiecewiseConstant"

    def __post_init__(self) -> None:
        if len(self.boundaries) != len(self.values) - 1:
            raise InputError(
                explain(
                    "PiecewiseConstantDecay has the wrong number of values.",
                    expected=f"one value more than the {len(self.boundaries)} boundaries",
                    received=f"{len(self.values)} values",
                    remedy="Pass a value for the steps after the last boundary, too.",
                )
            )

    def __call__(self, step: Any) -> jax.Array:
        passed = jnp.searchsorted(jnp.asarray(self.boundaries), step, side="left")
        return jnp.asarray(self.values)[passed]


def _check_positive(schedule: LearningRateSchedule, name: str) -> None:
    steps = getattr(schedule, name)
    if not steps > 0:
        raise InputError(
            explain(
                f"{name} of {type(schedule).__name__} is not positive.",
                expected="a positive number of steps",
                received=repr(steps),
                remedy=f"Pass {name}=1000, for example.",
            )
        )


def __getattr__(name: str) -> Any:
    raise missing("tf.keras.optimizers.schedules", name, __all__)
