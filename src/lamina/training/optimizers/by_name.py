"""Optimizers by name: optax's, with Keras's defaults, and what goes round them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina.core.base.pytrees import map_tree
from lamina.errors import InputError, UnknownNameError, explain, nearest
from lamina.lazy import lazily
from lamina.training.optimizers import weight_averages

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["get", "names"]

Rate = float | Callable[[Any], Any]

_KNOWN: dict[str, tuple[float, Callable[[Any], optax.GradientTransformation]]] = {
    "adadelta": (1e-3, lambda learning_rate: optax.adadelta(learning_rate, rho=0.95, eps=1e-7)),
    "adafactor": (1e-3, lambda learning_rate: optax.adafactor(learning_rate)),
    "adagrad": (
        1e-3,
        lambda learning_rate: optax.adagrad(learning_rate, initial_accumulator_value=0.1, eps=1e-7),
    ),
    "adam": (1e-3, lambda learning_rate: optax.adam(learning_rate, eps=1e-7)),
    "adamax": (1e-3, lambda learning_rate: optax.adamax(learning_rate, eps=1e-7)),
    "adamw": (
        1e-3,
        lambda learning_rate: optax.adamw(learning_rate, eps=1e-7, weight_decay=4e-3),
    ),
    "lamb": (1e-3, lambda learning_rate: optax.lamb(learning_rate, eps=1e-7)),
    "lion": (1e-3, lambda learning_rate: optax.lion(learning_rate, b1=0.9, b2=0.99)),
    "nadam": (1e-3, lambda learning_rate: optax.nadam(learning_rate, eps=1e-7)),
    "rmsprop": (1e-3, lambda learning_rate: optax.rmsprop(learning_rate, decay=0.9, eps=1e-7)),
    "sgd": (1e-2, lambda learning_rate: optax.sgd(learning_rate)),
}
_NAMES = "a name, or an optax transformation, such as optax.adam(3e-4)"


def names() -> list[str]:
    """The names that :func:`get` knows."""
    return sorted(_KNOWN)


def get(
    optimizer: Any,
    *,
    learning_rate: Rate | None = None,
    clipnorm: float | None = None,
    clipvalue: float | None = None,
    global_clipnorm: float | None = None,
    gradient_accumulation_steps: int | None = None,
    ema_momentum: float | None = None,
) -> optax.GradientTransformation:
    """An optax transformation: the one given, or that of a name, with what goes round it.

    Args:
        optimizer: `"adam"`, `"sgd"`, ... (a learning rate of 0.001, of 0.01 for sgd), or any
            optax transformation, such as ``optax.adam(3e-4)``.
        learning_rate: of an optimizer by name: a number, which callbacks may change, or a
            schedule, a function of the step.
        clipnorm: the greatest norm of the gradient of each weight.
        clipvalue: the greatest size of each number of a gradient.
        global_clipnorm: the greatest norm of all gradients together.
        gradient_accumulation_steps: how many steps' gradients one update is the mean of.
        ema_momentum: keep running averages of the weights, ``a = m a + (1 - m) w``.

    Raises:
        UnknownNameError: there is no optimizer of that name.
        InputError: it is neither a name nor an optax transformation, or an option is no good.

    >>> get("adam", global_clipnorm=1.0).init({}) is not None
    True
    """
    found = _base(optimizer, learning_rate)
    clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
    cut = _clipping({name: size for name, size in clips.items() if size is not None})
    if cut is not None:
        found = optax.chain(cut, found)
    if gradient_accumulation_steps is not None:
        _whole(gradient_accumulation_steps)
        several: Any = optax.MultiSteps(found, gradient_accumulation_steps)
        found = several.gradient_transformation()
    if ema_momentum is not None:
        found = optax.chain(found, weight_averages.of_weights(ema_momentum))
    return found


def _base(optimizer: Any, rate: Rate | None) -> Any:
    if isinstance(optimizer, str):
        known = _KNOWN.get(optimizer.lower())
        if known is None:
            raise UnknownNameError(
                explain(
                    "There is no optimizer of that name.",
                    received=repr(optimizer),
                    remedy=nearest(optimizer.lower(), _KNOWN)
                    + " Any optax transformation serves too.",
                )
            )
        default, make = known
        injected: Any = optax.inject_hyperparams(make)
        return injected(learning_rate=default if rate is None else rate)
    if not callable(getattr(optimizer, "init", None)) or not hasattr(optimizer, "update"):
        raise InputError(
            explain(
                "That is not an optimizer.",
                expected=_NAMES,
                received=repr(optimizer),
                remedy="Give 'adam', for example.",
            )
        )
    if rate is not None:
        raise InputError(
            explain(
                "A learning rate was given beside an optax transformation, which has its own.",
                expected="an optimizer by name, or a rate within the transformation",
                received=f"learning_rate={rate!r}",
                remedy="Say optax.adam(3e-4), or 'adam' and learning_rate=3e-4.",
            )
        )
    return optimizer


def _clipping(given: dict[str, float]) -> optax.GradientTransformation | None:
    if not given:
        return None
    if len(given) > 1:
        raise InputError(
            explain(
                "Gradients can be clipped in one way only.",
                expected="one of clipnorm, clipvalue and global_clipnorm",
                received=", ".join(f"{name}={size}" for name, size in given.items()),
                remedy="Keep global_clipnorm, which keeps the direction.",
            )
        )
    ((name, size),) = given.items()
    if not size > 0 or not math.isfinite(size):
        raise InputError(
            explain(
                f"{name} is not a number above 0.",
                received=repr(size),
                remedy=f"Give {name}=1.0, for example.",
            )
        )
    if name == "clipnorm":
        return optax.stateless(lambda slopes, _: map_tree(lambda g: _cut(g, size), slopes))
    return optax.clip(size) if name == "clipvalue" else optax.clip_by_global_norm(size)


def _cut(gradient: Any, size: float) -> Any:
    length = jnp.sqrt(jnp.sum(jnp.square(gradient)))
    return gradient * (size / jnp.maximum(length, size))


def _whole(steps: Any) -> None:
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(
            explain(
                "gradient_accumulation_steps is not a whole number above 0.",
                received=repr(steps),
                remedy="Give the number of batches that one update is the mean of.",
            )
        )
