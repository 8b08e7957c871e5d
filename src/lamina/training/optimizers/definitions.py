"""The optimizers: transformations of optax with the arguments and defaults of Keras.

Each returns an optax transformation. ``g`` is the gradient of a weight ``w``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

from lamina.lazy import lazily
from lamina.training.optimizers.clipping import Clipping, clipped
from lamina.training.optimizers.configs import with_config

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
    "lamb",
    "lion",
    "nadam",
    "rmsprop",
    "sgd",
]

LearningRate: TypeAlias = float | Callable[[Any], Any]
"""A number, or a schedule: a function of the step."""


@with_config
def adadelta(
    learning_rate: LearningRate = 0.001,
    rho: float = 0.95,
    epsilon: float = 1e-7,
    **options: Unpack[Clipping],
) -> optax.GradientTransformation:
    """Adadelta (Zeiler, arXiv 1212.5701).

    Args:
        learning_rate: a number or a schedule.
        rho: the decay rate of the moving averages, in [0, 1).
        epsilon: added to the averages, for numerical stability.
        options: `clipnorm`, `clipvalue` or `global_clipnorm`; see :class:`Clipping`.
    """
    return _made(lambda rate: optax.adadelta(rate, rho, epsilon), learning_rate, options)


@with_config
def adafactor(
    learning_rate: LearningRate = 0.001, **options: Unpack[Clipping]
) -> optax.GradientTransformation:
    """Adafactor (Shazeer, Stern, arXiv 1804.04235).

    Args:
        learning_rate: a number or a schedule.
        options: `clipnorm`, `clipvalue` or `global_clipnorm`; see :class:`Clipping`.
    """
    return _made(lambda rate: optax.adafactor(rate), learning_rate, options)


@with_config
def adagrad(
    learning_rate: LearningRate = 0.001,
    initial_accumulator_value: float = 0.1,
    epsilon: float = 1e-7,
    **options: Unpack[Clipping],
) -> optax.GradientTransformation:
    """Adagrad: ``v = v + g^2``, ``w = w - learning_rate g / sqrt(v + epsilon)``.

    Args:
        learning_rate: a number or a schedule.
        initial_accumulator_value: of ``v``.
        epsilon: added to ``v``, for numerical stability.
        options: `clipnorm`, `clipvalue` or `global_clipnorm`; see :class:`Clipping`.
    """
    return _made(
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
    **options: Unpack[Clipping],
) -> optax.GradientTransformation:
    """Adam (Kingma, Ba, arXiv 1412.6980).

    Args:
        learning_rate: a number or a schedule.
        beta_1: the decay rate of the first moment, in [0, 1).
        beta_2: the decay rate of the second moment, in [0, 1).
        epsilon: added to the root of the second moment, for numerical stability.
        options: `clipnorm`, `clipvalue` or `global_clipnorm`; see :class:`Clipping`.
    """
    return _made(lambda rate: optax.adam(rate, beta_1, beta_2, epsilon), learning_rate, options)


@with_config
def adamax(
    learning_rate: LearningRate = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **options: Unpack[Clipping],
) -> optax.GradientTransformation:
    """Adam with a decaying maximum of ``|g|`` instead of the second moment (arXiv 1412.6980).

    Args:
        learning_rate: a number or a schedule.
        beta_1: the decay rate of the first moment, in [0, 1).
        beta_2: the decay rate of the maximum, in [0, 1).
        epsilon: added to the maximum, for numerical stability.
        options: `clipnorm`, `clipvalue` or `global_clipnorm`; see :class:`Clipping`.
    """
    return _made(lambda rate: optax.adamax(rate, beta_1, beta_2, epsilon), learning_rate, options)


@with_config
def adamw(
    learning_rate: LearningRate = 0.001,
    weight_decay: float = 0.004,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **options: Unpack[Clipping],
) -> optax.GradientTransformation:
    """Adam with decoupled weight decay (Loshchilov, Hutter, arXiv 1711.05101).

    Args:
        learning_rate: a number or a schedule.
        weight_decay: each step subtracts ``learning_rate weight_decay w``.
        beta_1: the decay rate of the first moment, in [0, 1).
        beta_2: the decay rate of the second moment, in [0, 1).
        epsilon: added to the root of the second moment, for numerical stability.
        options: `clipnorm`, `clipvalue` or `global_clipnorm`; see :class:`Clipping`.
    """
    return _made(
        lambda rate: optax.adamw(rate, beta_1, beta_2, epsilon, weight_decay=weight_decay),
        learning_rate,
        options,
    )


@with_config
def lamb(
    learning_rate: LearningRate = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **options: Unpack[Clipping],
) -> optax.GradientTransformation:
    """LAMB: Adam whose update is scaled by the norm of the weight (You et al., arXiv 1904.00962).

    Args:
        learning_rate: a number or a schedule.
        beta_1: the decay rate of the first moment, in [0, 1).
        beta_2: the decay rate of the second moment, in [0, 1).
        epsilon: added to the root of the second moment, for numerical stability.
        options: `clipnorm`, `clipvalue` or `global_clipnorm`; see :class:`Clipping`.
    """
    return _made(lambda rate: optax.lamb(rate, beta_1, beta_2, epsilon), learning_rate, options)


@with_config
def lion(
    learning_rate: LearningRate = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.99,
    **options: Unpack[Clipping],
) -> optax.GradientTransformation:
    """Lion: the sign of a moving average of gradients (Chen et al., arXiv 2302.06675).

    Args:
        learning_rate: a number or a schedule.
        beta_1: the weight of the average in the update, in [0, 1).
        beta_2: the decay rate of the average, in [0, 1).
        options: `clipnorm`, `clipvalue` or `global_clipnorm`; see :class:`Clipping`.
    """
    return _made(lambda rate: optax.lion(rate, beta_1, beta_2), learning_rate, options)


@with_config
def nadam(
    learning_rate: LearningRate = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **options: Unpack[Clipping],
) -> optax.GradientTransformation:
    """Adam with Nesterov momentum (Dozat, 2016).

    Args:
        learning_rate: a number or a schedule.
        beta_1: the decay rate of the first moment, in [0, 1).
        beta_2: the decay rate of the second moment, in [0, 1).
        epsilon: added to the root of the second moment, for numerical stability.
        options: `clipnorm`, `clipvalue` or `global_clipnorm`; see :class:`Clipping`.
    """
    return _made(lambda rate: optax.nadam(rate, beta_1, beta_2, epsilon), learning_rate, options)


@with_config
def rmsprop(
    learning_rate: LearningRate = 0.001,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
    **options: Unpack[Clipping],
) -> optax.GradientTransformation:
    """RMSprop: ``v = rho v + (1 - rho) g^2``, ``w = w - learning_rate g / sqrt(v + epsilon)``.

    Args:
        learning_rate: a number or a schedule.
        rho: the decay rate of ``v``, in [0, 1).
        momentum: of the update, in [0, 1).
        epsilon: added to ``v``, for numerical stability.
        centered: whether to divide by the variance of the gradient instead of ``v``.
        options: `clipnorm`, `clipvalue` or `global_clipnorm`; see :class:`Clipping`.
    """
    return _made(
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
    **options: Unpack[Clipping],
) -> optax.GradientTransformation:
    """Gradient descent: ``m = momentum m - learning_rate g``, ``w = w + m``.

    Args:
        learning_rate: a number or a schedule.
        momentum: in [0, 1).
        nesterov: whether to use Nesterov momentum.
        options: `clipnorm`, `clipvalue` or `global_clipnorm`; see :class:`Clipping`.
    """

    def make(rate: Any) -> optax.GradientTransformation:
        step = optax.scale_by_learning_rate(rate)
        return optax.chain(step, optax.trace(momentum, nesterov)) if momentum > 0 else step

    return _made(make, learning_rate, options)


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adadelta": adadelta,
    "adafactor": adafactor,
    "adagrad": adagrad,
    "adam": adam,
    "adamax": adamax,
    "adamw": adamw,
    "lamb": lamb,
    "lion": lion,
    "nadam": nadam,
    "rmsprop": rmsprop,
    "sgd": sgd,
}
"""All optimizers by name."""


def _made(
    make: Callable[[Any], optax.GradientTransformation],
    learning_rate: LearningRate,
    options: Clipping,
) -> optax.GradientTransformation:
    """Put the learning rate into the state, where it can be changed, and clip gradients first."""

    def transformation(learning_rate: Any) -> optax.GradientTransformation:
        return make(learning_rate)

    injected: Any = optax.inject_hyperparams(transformation)
    return clipped(injected(learning_rate=learning_rate), options)
