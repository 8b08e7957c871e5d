"""Initializers: the distributions of the initial values of weights.

An initializer gives a :class:`Distribution` for a shape; a build draws from it, by the seed and
the weight's path. Names, arguments and defaults are those of Keras.
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
from lamina.initializers.random import Orthogonal, RandomNormal, RandomUniform, TruncatedNormal
from lamina.initializers.variance_scaling import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
    with_axes,
)
from lamina.named_configs import given_by, serialize
from lamina.names import look_up, snake
from lamina.registered import REGISTERED

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
    "deserialize",
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
    "serialize",
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

# Other names of Keras.
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
    """Return the initializer of an identifier.

    Args:
        identifier: an initializer or its class; a name, ``"glorot_uniform"`` or
            ``"GlorotUniform"``; a config of :func:`to_config`; a number or an array, for
            :class:`Constant`; or a function ``(key, shape, dtype) -> array``, such as those in
            `jax.nn.initializers`, or ``(shape, dtype=None) -> array`` as in Keras.

    Returns:
        The initializer, or the function as it is.

    Raises:
        UnknownNameError: no initializer has that name.
        InputError: the identifier is of another type.

    >>> get("he_normal")
    HeNormal()
    """
    if isinstance(identifier, Initializer):
        return identifier
    if isinstance(identifier, str):
        if identifier in REGISTERED:
            return get(REGISTERED[identifier])
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
            "The initializer is not valid.",
            expected="a name, an initializer, or a function (key, shape, dtype) -> array",
            received=repr(cast("object", identifier)),
            remedy="Pass 'glorot_uniform', for example, or lamina.initializers.HeNormal().",
        )
    )


def deserialize(
    config: Any, custom_objects: Mapping[str, Any] | None = None
) -> Initializer | KeyedFunction:
    """Return the initializer of a config.

    Args:
        config: a result of :func:`serialize`, or anything that :func:`get` accepts.
        custom_objects: classes and functions by name; None (default) for none.

    Returns:
        The initializer.

    >>> deserialize(serialize(Constant(3.0)))
    Constant(value=3.0)
    """
    return get(given_by(config, custom_objects))


def describe(identifier: InitializerLike) -> str:
    """Describe an initializer in a few words, for reports.

    Args:
        identifier: an initializer, or any identifier that :func:`get` accepts.

    Returns:
        Its name, with the arguments that differ from their defaults.

    Raises:
        UnknownNameError: no initializer has that name.
        InputError: the identifier is of another type.

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
    """Convert a built-in initializer to values that JSON can store.

    Args:
        identifier: a built-in initializer, or any identifier of one that :func:`get` accepts.

    Returns:
        Its name; or a dict of ``class_name`` and ``config`` if arguments differ from their
        defaults.

    Raises:
        InputError: it is a function, or a class of the user's.

    >>> to_config(RandomNormal(stddev=0.02))
    {'class_name': 'RandomNormal', 'config': {'stddev': 0.02}}
    """
    found = get(identifier)
    if not isinstance(found, Initializer) or snake(type(found).__name__) not in _KNOWN:
        raise InputError(
            explain(
                "Only built-in initializers have a config.",
                received=describe(found),
                remedy="Use an initializer of lamina.initializers.",
            )
        )
    given = {name: _plain(value) for name, value in found.given().items()}
    if not given:
        return snake(type(found).__name__)
    return {"class_name": type(found).__name__, "config": given}


def from_config(config: str | Mapping[str, Any]) -> Initializer:
    """Make an initializer from a config.

    Args:
        config: the result of :func:`to_config`, or the dict that Keras has for an initializer.

    Returns:
        The initializer.

    Raises:
        UnknownNameError: no initializer has that name.
        InputError: the config has another form.

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
                "The config of an initializer is not valid.",
                expected="{'class_name': ..., 'config': {...}}",
                received=f"{dict(config)} ({error})",
                remedy="Pass the result of lamina.initializers.to_config.",
            )
        ) from error


def _plain(value: Any) -> Any:
    """Convert a value for JSON, except for complex numbers."""
    if isinstance(value, np.ndarray):
        return cast("Any", value).tolist()
    return list(cast("tuple[int, ...]", value)) if isinstance(value, tuple) else value
