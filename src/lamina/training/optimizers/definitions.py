"""The optimizers: transformations of optax with the arguments and defaults of Keras.

Each returns an optax transformation. ``g`` is the gradient of a weight ``w``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

from lamina.lazy import lazily
from lamina.training.optimizers.adam import adam, adamax, adamw, lamb, nadam
from lamina.training.optimizers.configs import with_config
from lamina.training.optimizers.factored import adafactor
from lamina.training.optimizers.options import (
    LearningRate,
    OptimizerOptions,
    check_share,
    made,
)
from lamina.training.optimizers.orthogonal import muon
from lamina.training.optimizers.proximal import ftrl
from lamina.training.optimizers.schedule_free import schedule_free_adamw

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = [
    "OPTIMIZERS",
    "adadelta",
    "adagrad",
    "lion",
    "rmsprop",
    "sgd",
]


@with_config
def adadelta(
    learning_rate: LearningRate = 0.001,
    rho: float = 0.95,
    epsilon: float = 1e-7,
    **options: Unpack[OptimizerOptions],
) -> optax.GradientTransformation:
    """Adadelta (Zeiler, arXiv 1212.5701).

    Args:
        learning_rate: a number or a schedule; 0.001 by default.
        rho: the decay rate of the moving averages, in [0, 1); 0.95 by default.
        epsilon: added to the averages, for numerical stability; 1e-07 by default.
        options: those of all optimizers; see :class:`OptimizerOptions`.

    Returns:
        The optimizer, an optax transformation with `get_config`.

    >>> adadelta(3e-4).get_config()["learning_rate"]
    0.0003
    """
    return made(lambda rate: optax.adadelta(rate, rho, epsilon), learning_rate, options)


@with_config
def adagrad(
    learning_rate: LearningRate = 0.001,
    initial_accumulator_value: float = 0.1,
    epsilon: float = 1e-7,
    **options: Unpack[OptimizerOptions],
) -> optax.GradientTransformation:
    """Adagrad: ``v = v + g^2``, ``w = w - learning_rate g / sqrt(v + epsilon)``.

    Args:
        learning_rate: a number or a schedule; 0.001 by default.
        initial_accumulator_value: of ``v``; 0.1 by default.
        epsilon: added to ``v``, for numerical stability; 1e-07 by default.
        options: those of all optimizers; see :class:`OptimizerOptions`.

    Returns:
        The optimizer, an optax transformation with `get_config`.

    >>> adagrad(3e-4).get_config()["learning_rate"]
    0.0003
    """
    return made(
        lambda rate: optax.adagrad(rate, initial_accumulator_value, epsilon),
        learning_rate,
        options,
    )


@with_config
def lion(
    learning_rate: LearningRate = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.99,
    **options: Unpack[OptimizerOptions],
) -> optax.GradientTransformation:
    """Lion: the sign of a moving average of gradients (Chen et al., arXiv 2302.06675).

    Args:
        learning_rate: a number or a schedule; 0.001 by default.
        beta_1: the weight of the average in the update, in (0, 1]; 0.9 by default.
        beta_2: the decay rate of the average, in [0, 1); 0.99 by default.
        options: those of all optimizers; see :class:`OptimizerOptions`.

    Returns:
        The optimizer, an optax transformation with `get_config`.

    Raises:
        InputError: `beta_1` is not in (0, 1].

    >>> lion(3e-4).get_config()["learning_rate"]
    0.0003
    """
    check_share("beta_1 of lion", beta_1, positive=True)
    return made(
        lambda rate: optax.lion(rate, beta_1, beta_2, weight_decay=0.0), learning_rate, options
    )


@with_config
def rmsprop(
    learning_rate: LearningRate = 0.001,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
    **options: Unpack[OptimizerOptions],
) -> optax.GradientTransformation:
    """RMSprop: ``v = rho v + (1 - rho) g^2``, ``w = w - learning_rate g / sqrt(v + epsilon)``.

    Args:
        learning_rate: a number or a schedule; 0.001 by default.
        rho: the decay rate of ``v``, in [0, 1); 0.9 by default.
        momentum: of the update, in [0, 1); 0.0 by default.
        epsilon: added to ``v``, for numerical stability; 1e-07 by default.
        centered: whether to divide by the variance of the gradient instead of ``v``; False by
            default.
        options: those of all optimizers; see :class:`OptimizerOptions`.

    Returns:
        The optimizer, an optax transformation with `get_config`.

    >>> rmsprop(3e-4).get_config()["learning_rate"]
    0.0003
    """
    return made(
        lambda rate: optax.rmsprop(
            rate, rho, epsilon, centered=centered, momentum=momentum or None
        ),
        learning_rate,
        options,
    )


@with_config
def sgd(
    learning_rate: LearningRate = 0.01,
    momentum: float = 0.0,
    nesterov: bool = False,
    **options: Unpack[OptimizerOptions],
) -> optax.GradientTransformation:
    """Gradient descent: ``m = momentum m - learning_rate g``, ``w = w + m``.

    Args:
        learning_rate: a number or a schedule; 0.01 by default.
        momentum: in [0, 1]; 0.0 by default.
        nesterov: whether to use Nesterov momentum; False by default.
        options: those of all optimizers; see :class:`OptimizerOptions`.

    Returns:
        The optimizer, an optax transformation with `get_config`.

    Raises:
        InputError: the momentum is not in [0, 1].

    >>> sgd(3e-4).get_config()["learning_rate"]
    0.0003
    """
    check_share("momentum of sgd", momentum)

    def make(rate: Any) -> optax.GradientTransformation:
        step = optax.scale_by_learning_rate(rate)
        return optax.chain(step, optax.trace(momentum, nesterov)) if momentum > 0 else step

    return made(make, learning_rate, options)


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adadelta": adadelta,
    "adafactor": adafactor,
    "adagrad": adagrad,
    "adam": adam,
    "adamax": adamax,
    "adamw": adamw,
    "ftrl": ftrl,
    "lamb": lamb,
    "lion": lion,
    "muon": muon,
    "nadam": nadam,
    "rmsprop": rmsprop,
    "schedulefreeadamw": schedule_free_adamw,
    "sgd": sgd,
}
"""All optimizers by name."""
