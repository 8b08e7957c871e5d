"""The optimizers: transformations of optax with the arguments and defaults of Keras.

Each returns an optax transformation. ``g`` is the gradient of a weight ``w``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

from lamina.lazy import lazily
from lamina.training.optimizers.configs import with_config
from lamina.training.optimizers.factored import adafactor
from lamina.training.optimizers.moments import adam_of_rate, scale_by_nadam
from lamina.training.optimizers.options import (
    LearningRate,
    OptimizerOptions,
    SharedOptions,
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
    "LearningRate",
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "ftrl",
    "lamb",
    "lion",
    "muon",
    "nadam",
    "rmsprop",
    "schedule_free_adamw",
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
        learning_rate: a number or a schedule.
        rho: the decay rate of the moving averages, in [0, 1).
        epsilon: added to the averages, for numerical stability.
        options: those of all optimizers; see :class:`OptimizerOptions`.
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
        learning_rate: a number or a schedule.
        initial_accumulator_value: of ``v``.
        epsilon: added to ``v``, for numerical stability.
        options: those of all optimizers; see :class:`OptimizerOptions`.
    """
    return made(
        lambda rate: optax.adagrad(rate, initial_accumulator_value, epsilon),
        learning_rate,
        options,
    )


@with_config
def adam(
    learning_rate: LearningRate = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
    **options: Unpack[OptimizerOptions],
) -> optax.GradientTransformation:
    """Adam (Kingma, Ba, arXiv 1412.6980).

    Args:
        learning_rate: a number or a schedule.
        beta_1: the decay rate of the first moment, in [0, 1).
        beta_2: the decay rate of the second moment, in [0, 1).
        epsilon: added to the root of the second moment, for numerical stability.
        amsgrad: whether the largest second moment so far is used. Default False.
        options: those of all optimizers; see :class:`OptimizerOptions`.
    """
    return made(adam_of_rate(beta_1, beta_2, epsilon, amsgrad), learning_rate, options)


@with_config
def adamax(
    learning_rate: LearningRate = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **options: Unpack[OptimizerOptions],
) -> optax.GradientTransformation:
    """Adam with a decaying maximum of ``|g|`` instead of the second moment (arXiv 1412.6980).

    Args:
        learning_rate: a number or a schedule.
        beta_1: the decay rate of the first moment, in [0, 1).
        beta_2: the decay rate of the maximum, in [0, 1).
        epsilon: added to the maximum, for numerical stability.
        options: those of all optimizers; see :class:`OptimizerOptions`.
    """
    return made(lambda rate: optax.adamax(rate, beta_1, beta_2, epsilon), learning_rate, options)


@with_config
def adamw(
    learning_rate: LearningRate = 0.001,
    weight_decay: float = 0.004,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
    **options: Unpack[SharedOptions],
) -> optax.GradientTransformation:
    """Adam with decoupled weight decay (Loshchilov, Hutter, arXiv 1711.05101).

    Args:
        learning_rate: a number or a schedule.
        weight_decay: each step subtracts ``learning_rate weight_decay w``.
        beta_1: the decay rate of the first moment, in [0, 1).
        beta_2: the decay rate of the second moment, in [0, 1).
        epsilon: added to the root of the second moment, for numerical stability.
        amsgrad: whether the largest second moment so far is used. Default False.
        options: those of all optimizers; see :class:`SharedOptions`.
    """
    every: OptimizerOptions = {**options, "weight_decay": weight_decay}
    return made(adam_of_rate(beta_1, beta_2, epsilon, amsgrad), learning_rate, every)


@with_config
def lamb(
    learning_rate: LearningRate = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **options: Unpack[OptimizerOptions],
) -> optax.GradientTransformation:
    """LAMB: Adam whose update is scaled by the norm of the weight (You et al., arXiv 1904.00962).

    Args:
        learning_rate: a number or a schedule.
        beta_1: the decay rate of the first moment, in [0, 1).
        beta_2: the decay rate of the second moment, in [0, 1).
        epsilon: added to the root of the second moment, for numerical stability.
        options: those of all optimizers; see :class:`OptimizerOptions`.
    """
    return made(lambda rate: optax.lamb(rate, beta_1, beta_2, epsilon), learning_rate, options)


@with_config
def lion(
    learning_rate: LearningRate = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.99,
    **options: Unpack[OptimizerOptions],
) -> optax.GradientTransformation:
    """Lion: the sign of a moving average of gradients (Chen et al., arXiv 2302.06675).

    Args:
        learning_rate: a number or a schedule.
        beta_1: the weight of the average in the update, in (0, 1].
        beta_2: the decay rate of the average, in [0, 1).
        options: those of all optimizers; see :class:`OptimizerOptions`.

    Raises:
        InputError: `beta_1` is not in (0, 1].
    """
    check_share("beta_1 of lion", beta_1, positive=True)
    return made(
        lambda rate: optax.lion(rate, beta_1, beta_2, weight_decay=0.0), learning_rate, options
    )


@with_config
def nadam(
    learning_rate: LearningRate = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **options: Unpack[OptimizerOptions],
) -> optax.GradientTransformation:
    """Adam with Nesterov momentum (Dozat, 2016).

    Args:
        learning_rate: a number or a schedule.
        beta_1: the decay rate of the first moment, in [0, 1).
        beta_2: the decay rate of the second moment, in [0, 1).
        epsilon: added to the root of the second moment, for numerical stability.
        options: those of all optimizers; see :class:`OptimizerOptions`.
    """

    def make(rate: Any) -> optax.GradientTransformation:
        scale = scale_by_nadam(beta_1, beta_2, epsilon)
        return optax.chain(scale, optax.scale_by_learning_rate(rate))

    return made(make, learning_rate, options)


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
        learning_rate: a number or a schedule.
        rho: the decay rate of ``v``, in [0, 1).
        momentum: of the update, in [0, 1).
        epsilon: added to ``v``, for numerical stability.
        centered: whether to divide by the variance of the gradient instead of ``v``.
        options: those of all optimizers; see :class:`OptimizerOptions`.
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
        learning_rate: a number or a schedule.
        momentum: in [0, 1).
        nesterov: whether to use Nesterov momentum.
        options: those of all optimizers; see :class:`OptimizerOptions`.

    Raises:
        InputError: the momentum is not in [0, 1].
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
