"""Optimizers by name: optax's, with the defaults that Keras users know."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lamina.errors import InputError, UnknownNameError, explain, nearest
from lamina.lazy import lazily

if TYPE_CHECKING:
    import optax
else:
    optax = lazily("optax")

__all__ = ["get", "names"]

_KNOWN: dict[str, Callable[[], optax.GradientTransformation]] = {
    "adadelta": lambda: optax.adadelta(1e-3, rho=0.95, eps=1e-7),
    "adafactor": lambda: optax.adafactor(1e-3),
    "adagrad": lambda: optax.adagrad(1e-3, initial_accumulator_value=0.1, eps=1e-7),
    "adam": lambda: optax.adam(1e-3, b1=0.9, b2=0.999, eps=1e-7),
    "adamax": lambda: optax.adamax(1e-3, b1=0.9, b2=0.999, eps=1e-7),
    "adamw": lambda: optax.adamw(1e-3, b1=0.9, b2=0.999, eps=1e-7, weight_decay=4e-3),
    "lamb": lambda: optax.lamb(1e-3, eps=1e-7),
    "lion": lambda: optax.lion(1e-3, b1=0.9, b2=0.99),
    "nadam": lambda: optax.nadam(1e-3, b1=0.9, b2=0.999, eps=1e-7),
    "rmsprop": lambda: optax.rmsprop(1e-3, decay=0.9, eps=1e-7),
    "sgd": lambda: optax.sgd(1e-2),
}


def names() -> list[str]:
    """The names that :func:`get` knows."""
    return sorted(_KNOWN)


def get(optimizer: Any) -> optax.GradientTransformation:
    """An optax transformation: the one given, or that of a name.

    Args:
        optimizer: `"adam"`, `"sgd"`, ... (a learning rate of 0.001, of 0.01 for sgd), or any
            optax transformation, such as ``optax.adam(3e-4)``.

    Raises:
        UnknownNameError: there is no optimizer of that name.
        InputError: it is neither a name nor an optax transformation.

    >>> get("adam").init({}) is not None
    True
    """
    if isinstance(optimizer, str):
        make = _KNOWN.get(optimizer.lower())
        if make is None:
            raise UnknownNameError(
                explain(
                    "There is no optimizer of that name.",
                    received=repr(optimizer),
                    remedy=nearest(optimizer.lower(), _KNOWN)
                    + " Any optax transformation serves too.",
                )
            )
        return make()
    if callable(getattr(optimizer, "init", None)) and callable(getattr(optimizer, "update", None)):
        return optimizer
    raise InputError(
        explain(
            "That is not an optimizer.",
            expected="a name, or an optax transformation, such as optax.adam(3e-4)",
            received=repr(optimizer),
            remedy="Give 'adam', for example.",
        )
    )
