"""`tf.keras.optimizers`: optax optimizers with Keras's names and defaults.

Pass them to `compile` and `Trainer`, or use them as optax transformations in your own loop. The
updates equal those of Keras, except for the place of epsilon in Adam and AdamW.
"""

# ruff: noqa: N802
from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax

from lamina.compat.tf.keras import schedules
from lamina.compat.tf.missing import missing

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "RMSprop",
    "schedules",
]

Rate: TypeAlias = float | Callable[[Any], Any]


def SGD(
    learning_rate: Rate = 0.01, momentum: float = 0.0, nesterov: bool = False, **clip: Any
) -> optax.GradientTransformation:
    """Gradient descent with momentum: ``m = momentum m - learning_rate g``, ``w = w + m``.

    Args:
        learning_rate: learning rate or schedule. Default: 0.01.
        momentum: momentum, in [0, 1). Default: 0.
        nesterov: whether to use Nesterov momentum. Default: False.
        clip: ``clipnorm``, ``clipvalue`` or ``global_clipnorm``.
    """

    def make(learning_rate: Any) -> optax.GradientTransformation:
        step = optax.scale_by_learning_rate(learning_rate)
        return optax.chain(step, optax.trace(momentum, nesterov)) if momentum > 0 else step

    return _optimizer(make, learning_rate, **clip)


def Adam(
    learning_rate: Rate = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **clip: Any,
) -> optax.GradientTransformation:
    """Adam (Kingma, Ba, arXiv 1412.6980).

    Args:
        learning_rate: learning rate or schedule. Default: 0.001.
        beta_1: decay rate of the first moment, in [0, 1). Default: 0.9.
        beta_2: decay rate of the second moment, in [0, 1). Default: 0.999.
        epsilon: positive number added for numerical stability. Default: 1e-7.
        clip: ``clipnorm``, ``clipvalue`` or ``global_clipnorm``.
    """
    return _optimizer(
        lambda learning_rate: optax.adam(learning_rate, beta_1, beta_2, epsilon),
        learning_rate,
        **clip,
    )


def AdamW(
    learning_rate: Rate = 0.001,
    weight_decay: float = 0.004,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **clip: Any,
) -> optax.GradientTransformation:
    """Adam with decoupled weight decay (Loshchilov, Hutter, arXiv 1711.05101).

    Args:
        learning_rate: learning rate or schedule. Default: 0.001.
        weight_decay: weight decay coefficient. Default: 0.004.
        beta_1: decay rate of the first moment, in [0, 1). Default: 0.9.
        beta_2: decay rate of the second moment, in [0, 1). Default: 0.999.
        epsilon: positive number added for numerical stability. Default: 1e-7.
        clip: ``clipnorm``, ``clipvalue`` or ``global_clipnorm``.
    """
    return _optimizer(
        lambda learning_rate: optax.adamw(
            learning_rate, beta_1, beta_2, epsilon, weight_decay=weight_decay
        ),
        learning_rate,
        **clip,
    )


def Adamax(
    learning_rate: Rate = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    **clip: Any,
) -> optax.GradientTransformation:
    """Adamax: Adam with the infinity norm (Kingma, Ba, arXiv 1412.6980).

    Args:
        learning_rate: learning rate or schedule. Default: 0.001.
        beta_1: decay rate of the first moment, in [0, 1). Default: 0.9.
        beta_2: decay rate of the infinity norm, in [0, 1). Default: 0.999.
        epsilon: positive number added for numerical stability. Default: 1e-7.
        clip: ``clipnorm``, ``clipvalue`` or ``global_clipnorm``.
    """
    return _optimizer(
        lambda learning_rate: optax.adamax(learning_rate, beta_1, beta_2, epsilon),
        learning_rate,
        **clip,
    )


def RMSprop(
    learning_rate: Rate = 0.001,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
    **clip: Any,
) -> optax.GradientTransformation:
    """RMSprop: ``v = rho v + (1 - rho) g^2``, ``w = w - learning_rate g / sqrt(v + epsilon)``.

    Args:
        learning_rate: learning rate or schedule. Default: 0.001.
        rho: decay rate of the squared gradients, in [0, 1). Default: 0.9.
        momentum: momentum, in [0, 1). Default: 0.
        epsilon: positive number added for numerical stability. Default: 1e-7.
        centered: whether to normalize by the variance of the gradients. Default: False.
        clip: ``clipnorm``, ``clipvalue`` or ``global_clipnorm``.
    """
    return _optimizer(
        lambda learning_rate: optax.rmsprop(
            learning_rate, rho, epsilon, centered=centered, momentum=momentum or None
        ),
        learning_rate,
        **clip,
    )


def Adagrad(
    learning_rate: Rate = 0.001,
    initial_accumulator_value: float = 0.1,
    epsilon: float = 1e-7,
    **clip: Any,
) -> optax.GradientTransformation:
    """Adagrad: ``v = v + g^2``, ``w = w - learning_rate g / sqrt(v + epsilon)``.

    Args:
        learning_rate: learning rate or schedule. Default: 0.001.
        initial_accumulator_value: initial value of ``v``, non-negative. Default: 0.1.
        epsilon: positive number added for numerical stability. Default: 1e-7.
        clip: ``clipnorm``, ``clipvalue`` or ``global_clipnorm``.
    """
    return _optimizer(
        lambda learning_rate: optax.adagrad(learning_rate, initial_accumulator_value, epsilon),
        learning_rate,
        **clip,
    )


def Adadelta(
    learning_rate: Rate = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **clip: Any
) -> optax.GradientTransformation:
    """Adadelta (Zeiler, arXiv 1212.5701).

    Args:
        learning_rate: learning rate or schedule. Default: 0.001.
        rho: decay rate of the moving averages, in [0, 1). Default: 0.95.
        epsilon: positive number added for numerical stability. Default: 1e-7.
        clip: ``clipnorm``, ``clipvalue`` or ``global_clipnorm``.
    """
    return _optimizer(
        lambda learning_rate: optax.adadelta(learning_rate, rho, epsilon), learning_rate, **clip
    )


def _optimizer(
    make: Callable[[Any], optax.GradientTransformation],
    learning_rate: Rate,
    *,
    clipnorm: float | None = None,
    clipvalue: float | None = None,
    global_clipnorm: float | None = None,
    name: str | None = None,
) -> optax.GradientTransformation:
    """An optimizer with gradient clipping: per weight, per element or by the global norm.

    A constant learning rate is part of the state, so that it can be set during training.
    """
    injected: Any = optax.inject_hyperparams(make)
    step = make(learning_rate) if callable(learning_rate) else injected(learning_rate=learning_rate)
    before: list[optax.GradientTransformation] = []
    if clipnorm is not None:
        before.append(_each(lambda g: g * clipnorm / jnp.maximum(_length(g), clipnorm)))
    if global_clipnorm is not None:
        before.append(optax.clip_by_global_norm(global_clipnorm))
    if clipvalue is not None:
        before.append(optax.clip(clipvalue))
    return optax.chain(*before, step) if before else step


def _length(gradient: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.sum(jnp.square(gradient)))


def _each(function: Callable[[jax.Array], jax.Array]) -> optax.GradientTransformation:
    return optax.stateless(lambda gradients, _: jax.tree.map(function, gradients))


def __getattr__(name: str) -> Any:
    raise missing("tf.keras.optimizers", name, __all__)
