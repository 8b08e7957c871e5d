"""Initializers: the law by which the first values of a weight are drawn, as data.

An initializer says *what* is drawn: a :class:`Distribution`. It draws nothing itself; a build does, from the
seed and the weight's path. Names, arguments and defaults are Keras's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import jax
import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, UnknownNameError, explain
from lamina.initializers.distribution import Distribution, Initializer, Shape, fans
from lamina.initializers.fixed import STFT, Constant, Identity, Ones, Zeros
from lamina.initializers.random import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    with_axes,
)
from lamina.names import look_up, snake

__all__ = [
    "STFT",
    "Constant",
    "Distribution",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "InitializerLike",
    "KeyedFunction",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "STFTInitializer",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "describe",
    "fans",
    "from_config",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "stft",
    "to_config",
    "truncated_normal",
    "variance_scaling",
    "with_axes",
    "zeros",
]

KeyedFunction: TypeAlias = Callable[[jax.Array, Shape, Any], Any]
InitializerLike: TypeAlias = (
    str | Initializer | type[Initializer] | KeyedFunction | Mapping[str, Any]
)

# Keras has these names, too.
IdentityInitializer = Identity
OrthogonalInitializer = Orthogonal
STFTInitializer = STFT
constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
ones = Ones
orthogonal = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
stft = STFT
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zeros = Zeros

_KNOWN: dict[str, type[Initializer]] = {
    snake(kind.__name__): kind
    for kind in (
        Constant,
        GlorotNormal,
        GlorotUniform,
        HeNormal,
        HeUniform,
        Identity,
        LecunNormal,
        LecunUniform,
        Ones,
        Orthogonal,
        RandomNormal,
        RandomUniform,
        STFT,
        TruncatedNormal,
        VarianceScaling,
        Zeros,
    )
}
_ALIASES = {
    "identity_initializer": "identity",
    "normal": "random_normal",
    "one": "ones",
    "orthogonal_initializer": "orthogonal",
    "stft_initializer": "stft",
    "uniform": "random_uniform",
    "zero": "zeros",
}


def get(
    identifier: InitializerLike | NDArray[Any] | complex | jax.Array | None,
) -> Initializer | KeyedFunction:
    """The initializer that a user means.

    Args:
        identifier: an initializer or its class; a name, `"glorot_uniform"` or `"GlorotUniform"`;
            what :func:`to_config` gave; a number or an array, for :class:`Constant`; or a function
            `(key, shape, dtype) -> array`, such as those in `jax.nn.initializers`, or Keras's
            `(shape, dtype=None) -> array`.

    Raises:
        UnknownNameError: no initializer is called that.
        InputError: it is none of those.

    >>> get("he_normal")
    HeNormal()
    """
    if isinstance(identifier, Initializer):
        return identifier
    if isinstance(identifier, str):
        return look_up("initializer", identifier, _KNOWN, _ALIASES)()
    if isinstance(identifier, Mapping):
        return from_config(cast("Mapping[str, Any]", identifier))
    if isinstance(identifier, type):
        if issubclass(identifier, Initializer):
            return identifier()
    elif callable(identifier):
        return identifier
    elif isinstance(identifier, int | float | complex | np.ndarray | np.generic | jax.Array):
        return Constant(cast("Any", identifier))
    raise InputError(
        explain(
            "That is not an initializer.",
            expected="a name, an initializer, or a function (key, shape, dtype) -> array",
            received=repr(cast("object", identifier)),
            remedy="Give 'glorot_uniform', for example, or lamina.initializers.HeNormal().",
        )
    )


def describe(identifier: InitializerLike) -> str:
    """A short text for reports.

    >>> describe("glorot_uniform"), describe(RandomNormal(stddev=0.02))
    ('glorot_uniform', 'RandomNormal(stddev=0.02)')
    """
    found = get(identifier)
    if isinstance(found, Initializer):
        return repr(found) if found.given() else snake(type(found).__name__)
    while isinstance(found, functools.partial):
        found = cast("KeyedFunction", found.func)
    return getattr(found, "__qualname__", type(found).__name__).replace(".<locals>", "")


def to_config(identifier: InitializerLike) -> str | dict[str, Any]:
    """What JSON can hold of a built-in initializer: its name, with what differs from the defaults.

    Raises:
        InputError: a function, which no text brings back.

    >>> to_config(RandomNormal(stddev=0.02))
    {'class_name': 'RandomNormal', 'config': {'stddev': 0.02}}
    """
    found = get(identifier)
    if not isinstance(found, Initializer) or snake(type(found).__name__) not in _KNOWN:
        raise InputError(
            explain(
                "Only built-in initializers can be written down.",
                received=describe(found),
                remedy="Use an initializer of lamina.initializers where the config matters.",
            )
        )
    given = {name: _plain(value) for name, value in found.given().items()}
    if not given:
        return snake(type(found).__name__)
    return {"class_name": type(found).__name__, "config": given}


def from_config(config: str | Mapping[str, Any]) -> Initializer:
    """The initializer that :func:`to_config` wrote down, or Keras's own dict for one.

    Raises:
        UnknownNameError: no initializer is called that.
        InputError: the config is damaged.

    >>> from_config({"class_name": "RandomNormal", "config": {"stddev": 0.02}})
    RandomNormal(stddev=0.02)
    """
    if isinstance(config, str):
        return look_up("initializer", config, _KNOWN, _ALIASES)()
    try:
        kind = look_up("initializer", config["class_name"], _KNOWN, _ALIASES)
        return kind(**config.get("config", {}))
    except UnknownNameError:
        raise
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            explain(
                "That is not the config of an initializer.",
                expected="{'class_name': ..., 'config': {...}}",
                received=f"{dict(config)} ({error})",
                remedy="Give what lamina.initializers.to_config returns.",
            )
        ) from error


def _plain(value: Any) -> Any:
    """As JSON has it; complex numbers are not for JSON, and stay."""
    if isinstance(value, np.ndarray):
        return cast("Any", value).tolist()
    return list(cast("tuple[int, ...]", value)) if isinstance(value, tuple) else value
