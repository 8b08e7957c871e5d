"""AdamW that averages weights instead of lowering the learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import map_pairs, map_tree
from lamina.lazy import lazily
from lamina.training.optimizers.configs import with_config
from lamina.training.optimizers.options import LearningRate, OptimizerOptions, made

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["schedule_free_adamw"]


class ScheduleFreeState(NamedTuple):
    """The state of schedule-free AdamW.

    Attributes:
        count: the number of updates, an int32 scalar.
        base: the weights z, which the updates of Adam change.
        nu: the second moments.
    """

    count: jax.Array  # pyright: ignore[reportIncompatibleMethodOverride] - as in optax
    base: Any
    nu: Any


@with_config
def schedule_free_adamw(
    learning_rate: LearningRate = 0.0025,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
    warmup_steps: int = 0,
    **options: Unpack[OptimizerOptions],
) -> optax.GradientTransformation:
    """Schedule-free AdamW (Defazio et al., arXiv 2405.15682).

    The weights are ``w = (1 - beta_1) z + beta_1 x``, where Adam without a first moment updates z,
    and x is the mean of z over all updates.

    Args:
        learning_rate: a number or a schedule; 0.0025 by default.
        beta_1: the share of x in the weights, in (0, 1); 0.9 by default.
        beta_2: the decay rate of the second moment, in [0, 1); 0.999 by default.
        epsilon: added to the root of the second moment, for numerical stability; 1e-08 by default.
        warmup_steps: the number of updates in which the learning rate grows linearly from 0; 0 by
            default.
        options: those of all optimizers; see :class:`OptimizerOptions`.

    Returns:
        The optimizer, an optax transformation with `get_config`.

    >>> schedule_free_adamw(3e-4).get_config()["learning_rate"]
    0.0003
    """

    def make(rate: Any) -> optax.GradientTransformation:
        return _schedule_free(rate, beta_1, beta_2, epsilon, warmup_steps)

    return made(make, learning_rate, options)


def _schedule_free(
    rate: Any, beta_1: float, beta_2: float, epsilon: float, warmup_steps: int
) -> optax.GradientTransformation:
    def init(params: Any) -> Any:
        zeros = map_tree(lambda w: jnp.zeros_like(w), params)
        return ScheduleFreeState(jnp.zeros((), jnp.int32), map_tree(jnp.copy, params), zeros)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        count = state.count + 1
        step = rate * jnp.minimum(1.0, count / warmup_steps) if warmup_steps > 0 else rate
        correction = 1 - beta_2**count
        nu = map_pairs(lambda v, g: beta_2 * v + (1 - beta_2) * g * g, state.nu, updates)

        def new_base(z: Any, g: Any, v: Any) -> Any:
            return (z - step * g / (jnp.sqrt(v / correction) + epsilon)).astype(z.dtype)

        base = jax.tree.map(new_base, state.base, updates, nu)

        def change(w: Any, old: Any, new: Any) -> Any:
            mean = (w - (1 - beta_1) * old) / beta_1
            mean = mean + (new - mean) / count
            return ((1 - beta_1) * new + beta_1 * mean - w).astype(w.dtype)

        return jax.tree.map(change, params, state.base, base), ScheduleFreeState(count, base, nu)

    return optax.GradientTransformation(init, update)
