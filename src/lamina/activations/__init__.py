"""Activations: plain functions on arrays, found by name. Names and arguments are Keras's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import jax

from lamina.activations import functions
from lamina.activations.functions import (
    celu,
    elu,
    exponential,
    gelu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_swish,
    hard_tanh,
    leaky_relu,
    linear,
    log_sigmoid,
    log_softmax,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    swish,
    tanh,
    tanh_shrink,
    threshold,
)
from lamina.errors import InputError, explain
from lamina.names import look_up

__all__ = [
    "Activation",
    "ActivationLike",
    "celu",
    "describe",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]

Activation: TypeAlias = Callable[[Any], jax.Array]
ActivationLike: TypeAlias = str | Activation | None

_ALIASES = {"hard_swish": "hard_silu", "re_lu": "relu", "swish": "silu"}
_MORE_ARGUMENTS = ("threshold",)
"""What takes more than an array, so that no name alone can stand for it."""

_KNOWN: dict[str, Activation] = {
    name: getattr(functions, name)
    for name in functions.__all__
    if name not in _ALIASES and name not in _MORE_ARGUMENTS
}


def get(identifier: ActivationLike) -> Activation:
    """The activation that a user means: a name, a function of one array, or None for none.

    Raises:
        UnknownNameError: no activation is called that.
        InputError: it is neither.

    >>> get("swish") is silu, get(None) is linear
    (True, True)
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        return look_up("activation", identifier, _KNOWN, _ALIASES)
    if callable(identifier):
        return identifier
    raise InputError(
        explain(
            "That is not an activation.",
            expected="a name, a function of one array, or None",
            received=repr(identifier),
            remedy="Give 'relu', for example, or jax.nn.relu.",
        )
    )


def describe(identifier: ActivationLike) -> str:
    """A short text for reports.

    >>> describe(None), describe("ReLU"), describe(functools.partial(elu, alpha=2.0))
    ('linear', 'relu', 'elu(alpha=2.0)')
    """
    found = get(identifier)
    if isinstance(found, functools.partial):
        bound = cast("functools.partial[jax.Array]", found)
        given = [repr(value) for value in bound.args]
        given += [f"{name}={value!r}" for name, value in bound.keywords.items()]
        return f"{describe(bound.func)}({', '.join(given)})"
    return getattr(found, "__name__", type(found).__name__)
