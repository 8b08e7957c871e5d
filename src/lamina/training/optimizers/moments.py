"""Updates from running moments of gradients, by the formulas of Keras where optax's differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from lamina.core.base.pytrees import map_pairs, map_tree
from lamina.lazy import lazily

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["adam_of_rate", "scale_by_adam", "scale_by_nadam"]


class AmsgradState(NamedTuple):
    """The state of Adam with `amsgrad`.

    Attributes:
        count: the number of updates, an int32 scalar.
        mu: the first moments.
        nu: the second moments.
        nu_max: the largest second moments so far.
    """

    count: jax.Array  # pyright: ignore[reportIncompatibleMethodOverride] - as in optax
    mu: Any
    nu: Any
    nu_max: Any


class NadamState(NamedTuple):
    """The state of Nadam.

    Attributes:
        count: the number of updates, an int32 scalar.
        mu: the first moments.
        nu: the second moments.
        product: the product of the momenta so far, a float32 scalar.
    """

    count: jax.Array  # pyright: ignore[reportIncompatibleMethodOverride] - as in optax
    mu: Any
    nu: Any
    product: jax.Array


def scale_by_adam(
    beta_1: Any, beta_2: Any, epsilon: float, amsgrad: bool = False
) -> optax.GradientTransformation:
    """Adam: ``c m / (sqrt(v) + epsilon)``, where ``c = sqrt(1 - beta_2^t) / (1 - beta_1^t)``.

    Args:
        beta_1: the decay rate of the first moment m.
        beta_2: the decay rate of the second moment v.
        epsilon: added to the root of v, before its bias is corrected.
        amsgrad: whether the largest v so far takes the place of v.
    """

    def init(params: Any) -> Any:
        count = jnp.zeros((), jnp.int32)
        mu, nu = _zeros(params), _zeros(params)
        if amsgrad:
            return AmsgradState(count, mu, nu, _zeros(params))
        return optax.ScaleByAdamState(count, mu, nu)  # pyright: ignore[reportCallIssue]

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        count, mu, nu = _moments(updates, state, beta_1, beta_2)
        factor = jnp.sqrt(1 - beta_2**count) / (1 - beta_1**count)
        after, root = state._replace(count=count, mu=mu, nu=nu), nu
        if amsgrad:
            root = map_pairs(jnp.maximum, state.nu_max, nu)
            after = after._replace(nu_max=root)

        def step(m: jax.Array, v: jax.Array) -> jax.Array:
            return (m * factor / (jnp.sqrt(v) + epsilon)).astype(m.dtype)

        return map_pairs(step, mu, root), after

    return optax.GradientTransformation(init, update)


def adam_of_rate(
    beta_1: float, beta_2: float, epsilon: float, amsgrad: bool
) -> Callable[[Any], optax.GradientTransformation]:
    """Return a function of the learning rate that makes Adam; arguments as `scale_by_adam`."""

    def make(rate: Any) -> optax.GradientTransformation:
        scale = scale_by_adam(beta_1, beta_2, epsilon, amsgrad)
        return optax.chain(scale, optax.scale_by_learning_rate(rate))

    return make


def scale_by_nadam(beta_1: float, beta_2: float, epsilon: float) -> optax.GradientTransformation:
    """Adam with Nesterov momentum, which grows with the number of updates t.

    The momentum is ``u_t = beta_1 (1 - 0.96^t / 2)``.

    Args:
        beta_1: the momentum after many updates, and the decay rate of the first moment.
        beta_2: the decay rate of the second moment.
        epsilon: added to the root of the second moment, after its bias is corrected.
    """

    def momentum(count: Any) -> Any:
        return beta_1 * (1 - 0.5 * 0.96**count)

    def init(params: Any) -> Any:
        product = jnp.ones((), jnp.float32)
        return NadamState(jnp.zeros((), jnp.int32), _zeros(params), _zeros(params), product)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        count, mu, nu = _moments(updates, state, beta_1, beta_2)
        now, following = momentum(count), momentum(count + 1)
        product = state.product * now
        of_moment = following / (1 - product * following)
        of_gradient = (1 - now) / (1 - product)
        correction = 1 - beta_2**count

        means = map_pairs(lambda m, g: of_moment * m + of_gradient * g, mu, updates)

        def step(mean: jax.Array, v: jax.Array) -> jax.Array:
            return (mean / (jnp.sqrt(v / correction) + epsilon)).astype(mean.dtype)

        new = map_pairs(step, means, nu)
        return new, NadamState(count, mu, nu, product)

    return optax.GradientTransformation(init, update)


def _zeros(params: Any) -> Any:
    return map_tree(lambda weight: jnp.zeros_like(weight), params)


def _moments(gradients: Any, state: Any, beta_1: Any, beta_2: Any) -> tuple[Any, Any, Any]:
    """Return the next count and the next moments."""
    mu = map_pairs(lambda m, g: beta_1 * m + (1 - beta_1) * g, state.mu, gradients)
    nu = map_pairs(lambda v, g: beta_2 * v + (1 - beta_2) * g * g, state.nu, gradients)
    return state.count + 1, mu, nu
