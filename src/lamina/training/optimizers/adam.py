"""Adam and its variants: optax transformations with the arguments and defaults of Keras.

``g`` is the gradient of a weight ``w``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack, cast

from lamina.errors import InputError, explain
from lamina.lazy import lazily
from lamina.training.optimizers.configs import with_config
from lamina.training.optimizers.moments import scale_by_adam, scale_by_nadam
from lamina.training.optimizers.options import (
    LearningRate,
    OptimizerOptions,
    SharedOptions,
    made,
)

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["adam", "adamax", "adamw", "lamb", "nadam"]


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
        learning_rate: a number or a schedule; 0.001 by default.
        beta_1: the decay rate of the first moment, in [0, 1); 0.9 by default.
        beta_2: the decay rate of the second moment, in [0, 1); 0.999 by default.
        epsilon: added to the root of the second moment, for numerical stability; 1e-07 by default.
        amsgrad: whether the largest second moment so far is used. Default False; False by default.
        options: those of all optimizers; see :class:`OptimizerOptions`.

    Returns:
        The optimizer, an optax transformation with `get_config`.

    >>> adam(3e-4).get_config()["learning_rate"]
    0.0003
    """
    return made(_adam(beta_1, beta_2, epsilon, amsgrad), learning_rate, options)


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
        learning_rate: a number or a schedule; 0.001 by default.
        beta_1: the decay rate of the first moment, in [0, 1); 0.9 by default.
        beta_2: the decay rate of the maximum, in [0, 1); 0.999 by default.
        epsilon: added to the maximum, for numerical stability; 1e-07 by default.
        options: those of all optimizers; see :class:`OptimizerOptions`.

    Returns:
        The optimizer, an optax transformation with `get_config`.

    >>> adamax(3e-4).get_config()["learning_rate"]
    0.0003
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
        learning_rate: a number or a schedule; 0.001 by default.
        weight_decay: each step subtracts ``learning_rate weight_decay w``; 0.004 by default.
        beta_1: the decay rate of the first moment, in [0, 1); 0.9 by default.
        beta_2: the decay rate of the second moment, in [0, 1); 0.999 by default.
        epsilon: added to the root of the second moment, for numerical stability; 1e-07 by default.
        amsgrad: whether the largest second moment so far is used. Default False; False by default.
        options: those of all optimizers; see :class:`SharedOptions`.

    Returns:
        The optimizer, an optax transformation with `get_config`.

    Raises:
        InputError: the weight decay is None.

    >>> adamw(3e-4).get_config()["learning_rate"]
    0.0003
    """
    if cast(Any, weight_decay) is None:
        raise InputError(
            explain(
                "The weight_decay of AdamW is not a number.",
                received="None",
                remedy="Use Adam, or weight_decay=0.0.",
            )
        )
    every: OptimizerOptions = {**options, "weight_decay": weight_decay}
    return made(_adam(beta_1, beta_2, epsilon, amsgrad), learning_rate, every)


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
        learning_rate: a number or a schedule; 0.001 by default.
        beta_1: the decay rate of the first moment, in [0, 1); 0.9 by default.
        beta_2: the decay rate of the second moment, in [0, 1); 0.999 by default.
        epsilon: added to the root of the second moment, for numerical stability; 1e-07 by default.
        options: those of all optimizers; see :class:`OptimizerOptions`.

    Returns:
        The optimizer, an optax transformation with `get_config`.

    >>> lamb(3e-4).get_config()["learning_rate"]
    0.0003
    """
    return made(lambda rate: optax.lamb(rate, beta_1, beta_2, epsilon), learning_rate, options)


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
        learning_rate: a number or a schedule; 0.001 by default.
        beta_1: the decay rate of the first moment, in [0, 1); 0.9 by default.
        beta_2: the decay rate of the second moment, in [0, 1); 0.999 by default.
        epsilon: added to the root of the second moment, for numerical stability; 1e-07 by default.
        options: those of all optimizers; see :class:`OptimizerOptions`.

    Returns:
        The optimizer, an optax transformation with `get_config`.

    >>> nadam(3e-4).get_config()["learning_rate"]
    0.0003
    """

    def make(rate: Any) -> optax.GradientTransformation:
        scale = scale_by_nadam(beta_1, beta_2, epsilon)
        return optax.chain(scale, optax.scale_by_learning_rate(rate))

    return made(make, learning_rate, options)


def _adam(
    beta_1: float, beta_2: float, epsilon: float, amsgrad: bool
) -> Callable[[Any], optax.GradientTransformation]:
    def make(rate: Any) -> optax.GradientTransformation:
        scale = scale_by_adam(beta_1, beta_2, epsilon, amsgrad)
        return optax.chain(scale, optax.scale_by_learning_rate(rate))

    return make
