"""Activations: functions on arrays, and their names. Names and arguments are those of Keras."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import jax

from lamina.activations.probabilities import (
    log_softmax,
    softmax,
    sparsemax,
)
from lamina.activations.rectifiers import (
    celu,
    elu,
    gelu,
    hard_silu,
    hard_swish,
    leaky_relu,
    linear,
    mish,
    relu,
    relu6,
    selu,
    silu,
    softplus,
    sparse_plus,
    squareplus,
    swish,
)
from lamina.activations.shrinkage import (
    hard_shrink,
    soft_shrink,
    tanh_shrink,
    threshold,
)
from lamina.activations.sigmoids import (
    exponential,
    glu,
    hard_sigmoid,
    hard_sigmoid_keras2,
    hard_tanh,
    log_sigmoid,
    sigmoid,
    softsign,
    sparse_sigmoid,
    tanh,
)
from lamina.errors import InputError, explain
from lamina.named_configs import given_by, serialize
from lamina.names import look_up

__all__ = [
    "Activation",
    "ActivationLike",
    "celu",
    "describe",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_sigmoid_keras2",
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
    "serialize",
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

_KNOWN: dict[str, Activation] = {
    function.__name__: function
    for function in (
        celu,
        elu,
        exponential,
        gelu,
        glu,
        hard_shrink,
        hard_sigmoid,
        hard_sigmoid_keras2,
        hard_silu,
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
        tanh,
        tanh_shrink,
    )
}
"""All but `threshold`, which needs more arguments than an array."""


def get(identifier: ActivationLike) -> Activation:
    """Return the activation function of an identifier.

    Args:
        identifier: a name, such as ``"relu"``; a function of one array; or None for `linear`.

    Returns:
        The function.

    Raises:
        UnknownNameError: no activation has that name.
        InputError: the identifier is of another type.

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
            "The activation is not valid.",
            expected="a name, a function of one array, or None",
            received=repr(identifier),
            remedy="Pass 'relu', for example, or jax.nn.relu.",
        )
    )


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Activation:
    """Return the activation function of a config.

    Args:
        config: a result of :func:`serialize`, or anything that :func:`get` accepts.
        custom_objects: classes and functions by name; None (default) for none.

    Returns:
        The activation function.

    >>> deserialize(serialize(relu)) is relu
    True
    """
    return get(given_by(config, custom_objects))


def describe(identifier: ActivationLike) -> str:
    """Describe an activation in a few words, for reports.

    Args:
        identifier: an activation, or any identifier that :func:`get` accepts.

    Returns:
        The function's name, with the arguments that are bound to it.

    Raises:
        UnknownNameError: no activation has that name.
        InputError: the identifier is of another type.

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
