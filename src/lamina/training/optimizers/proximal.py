"""FTRL: weights that minimize the sum of past gradients and a penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import jax.numpy as jnp

from lamina.core.base.pytrees import map_tree
from lamina.errors import InputError, explain
from lamina.lazy import lazily
from lamina.training.optimizers.configs import with_config
from lamina.training.optimizers.options import LearningRate, OptimizerOptions, made
from lamina.training.optimizers.per_weight import map_weights

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["ftrl"]


class FtrlState(NamedTuple):
    """The state of FTRL.

    Attributes:
        accumulators: the sums of the squares of gradients.
        linears: the sums of gradients, corrected for the changes of the learning rate.
    """

    accumulators: Any
    linears: Any


@with_config
def ftrl(
    learning_rate: LearningRate = 0.001,
    learning_rate_power: float = -0.5,
    initial_accumulator_value: float = 0.1,
    l1_regularization_strength: float = 0.0,
    l2_regularization_strength: float = 0.0,
    l2_shrinkage_regularization_strength: float = 0.0,
    beta: float = 0.0,
    **options: Unpack[OptimizerOptions],
) -> optax.GradientTransformation:
    """FTRL-Proximal (McMahan et al., Ad click prediction: a view from the trenches, KDD 2013).

    ``n = n + g^2``, ``z = z + g - (n^p - n_old^p) w / learning_rate`` with
    p = -`learning_rate_power`, and ``w = (clip(z, -l1, l1) - z) / (n^p / learning_rate + 2 l2)``.

    Args:
        learning_rate: a number or a schedule; 0.001 by default.
        learning_rate_power: not positive; the effective learning rate is proportional to n to
            this power; -0.5 by default.
        initial_accumulator_value: of n, not negative; 0.1 by default.
        l1_regularization_strength: l1, not negative; 0.0 by default.
        l2_regularization_strength: l2, not negative; 0.0 by default.
        l2_shrinkage_regularization_strength: not negative; 2 w times this is added to g in z;
            0.0 by default.
        beta: ``beta / (2 learning_rate)`` is added to l2; 0.0 by default.
        options: those of all optimizers; see :class:`OptimizerOptions`.

    Returns:
        The optimizer, an optax transformation with `get_config`.

    Raises:
        InputError: an argument has the wrong sign.

    >>> ftrl(3e-4).get_config()["learning_rate"]
    0.0003
    """
    strengths = {
        "initial_accumulator_value": initial_accumulator_value,
        "l1_regularization_strength": l1_regularization_strength,
        "l2_regularization_strength": l2_regularization_strength,
        "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
    }
    for name, value in strengths.items():
        _check(name, value, value >= 0, "a non-negative number")
    _check("learning_rate_power", learning_rate_power, learning_rate_power <= 0, "at most 0")

    def make(rate: Any) -> optax.GradientTransformation:
        l2 = l2_regularization_strength + beta / (2.0 * rate)
        shrinkage = l2_shrinkage_regularization_strength

        def of_weight(g: Any, n: Any, z: Any, w: Any) -> tuple[Any, Any, Any]:
            total = n + jnp.square(g)
            power, before = (jnp.power(sums, -learning_rate_power) for sums in (total, n))
            z = (z + g + 2 * shrinkage * w - (power - before) / rate * w).astype(z.dtype)
            l1 = l1_regularization_strength
            new = (jnp.clip(z, -l1, l1) - z) / (power / rate + 2 * l2)
            return (new - w).astype(w.dtype), total, z

        return _ftrl(of_weight, initial_accumulator_value)

    return made(make, learning_rate, options)


def _ftrl(of_weight: Any, initial_accumulator_value: float) -> optax.GradientTransformation:
    def init(params: Any) -> Any:
        accumulators = map_tree(lambda w: jnp.full_like(w, initial_accumulator_value), params)
        return FtrlState(accumulators, map_tree(lambda w: jnp.zeros_like(w), params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        new, accumulators, linears = map_weights(of_weight, updates, *state, params)
        return new, FtrlState(accumulators, linears)

    return optax.GradientTransformation(init, update)


def _check(name: str, value: float, valid: bool, expected: str) -> None:
    if not valid:
        raise InputError(
            explain(
                f"{name} of ftrl has the wrong sign.",
                expected=expected,
                received=repr(value),
                remedy="Leave it out for the default.",
            )
        )
