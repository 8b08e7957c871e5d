"""Adafactor: Adam with second moments that are kept as row and column means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import map_tree
from lamina.lazy import lazily
from lamina.training.optimizers.configs import with_config
from lamina.training.optimizers.options import LearningRate, OptimizerOptions, made
from lamina.training.optimizers.per_weight import map_weights

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["adafactor"]


class AdafactorState(NamedTuple):
    """The state of Adafactor.

    Attributes:
        count: the number of updates, an int32 scalar.
        rows: for each weight ``[..., n, m]`` the second moments ``[..., n]``, the means over rows;
            for weights with fewer axes those of the elements.
        columns: for each weight ``[..., n, m]`` the second moments ``[..., m]``; for weights with
            fewer axes an unused scalar.
    """

    count: jax.Array  # pyright: ignore[reportIncompatibleMethodOverride] - as in optax
    rows: Any
    columns: Any


@with_config
def adafactor(
    learning_rate: LearningRate = 0.001,
    beta_2_decay: float = -0.8,
    epsilon_1: float = 1e-30,
    epsilon_2: float = 1e-3,
    clip_threshold: float = 1.0,
    relative_step: bool = True,
    **options: Unpack[OptimizerOptions],
) -> optax.GradientTransformation:
    """Adafactor (Shazeer, Stern, arXiv 1804.04235).

    ``w = w - max(epsilon_2, rms(w)) min(learning_rate, 1 / sqrt(t)) u``, where t is the number of
    the update and u the gradient divided by the root of its second moment, clipped.

    Args:
        learning_rate: a number or a schedule; 0.001 by default.
        beta_2_decay: the decay rate of the second moment is ``1 - t^beta_2_decay``; -0.8 by
            default.
        epsilon_1: added to the squares of gradients; 1e-30 by default.
        epsilon_2: the smallest scale of a weight; 0.001 by default.
        clip_threshold: the largest root mean square of u; 1.0 by default.
        relative_step: without effect, as in Keras, where the learning rate is at most
            ``1 / sqrt(t)`` in any case; True by default.
        options: those of all optimizers; see :class:`OptimizerOptions`.

    Returns:
        The optimizer, an optax transformation with `get_config`.

    >>> adafactor(3e-4).get_config()["learning_rate"]
    0.0003
    """

    def make(rate: Any) -> optax.GradientTransformation:
        return _adafactor(rate, beta_2_decay, (epsilon_1, epsilon_2), clip_threshold)

    return made(make, learning_rate, options)


def _adafactor(
    rate: Any, beta_2_decay: float, epsilons: tuple[float, float], clip_threshold: float
) -> optax.GradientTransformation:
    def init(params: Any) -> Any:
        rows = map_tree(
            lambda w: jnp.zeros(w.shape[:-1] if w.ndim > 1 else w.shape, w.dtype), params
        )
        columns = map_tree(lambda w: jnp.zeros(_columns(w.shape), w.dtype), params)
        return AdafactorState(jnp.zeros((), jnp.int32), rows, columns)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        count = state.count + 1
        beta_2 = 1 - jnp.power(count.astype(jnp.float32), beta_2_decay)
        step = jnp.minimum(rate, 1 / jnp.sqrt(count.astype(jnp.float32)))

        def of_weight(g: Any, r: Any, c: Any, w: Any) -> tuple[Any, Any, Any]:
            squares = jnp.square(g) + epsilons[0]
            if w.ndim > 1:
                r = (beta_2 * r + (1 - beta_2) * squares.mean(-1)).astype(r.dtype)
                c = (beta_2 * c + (1 - beta_2) * squares.mean(-2)).astype(c.dtype)
                v = (r / r.mean(-1, keepdims=True))[..., None] * c[..., None, :]
            else:
                v = r = (beta_2 * r + (1 - beta_2) * squares).astype(r.dtype)
            u = g / jnp.sqrt(v)
            u /= jnp.maximum(1.0, _rms(u) / clip_threshold)
            return (-jnp.maximum(epsilons[1], _rms(w)) * step * u).astype(w.dtype), r, c

        new, rows, columns = map_weights(of_weight, updates, state.rows, state.columns, params)
        return new, AdafactorState(count, rows, columns)

    return optax.GradientTransformation(init, update)


def _columns(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1]) if len(shape) > 1 else ()


def _rms(x: Any) -> Any:
    return jnp.sqrt(jnp.mean(jnp.square(x)))
