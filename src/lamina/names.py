"""Looking up losses, metrics, initializers, activations and regularizers by name."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from lamina.errors import InputError, UnknownNameError, explain, nearest

__all__ = ["look_up", "made_by_name", "snake"]

T = TypeVar("T")


@functools.cache
def snake(name: str) -> str:
    """Convert the name of a class to snake case, as Keras does.

    Args:
        name: a name in CamelCase or in snake case.

    Returns:
        The name in snake case.

    >>> snake("GlorotUniform"), snake("glorot_uniform"), snake("KLDivergence"), snake("Conv2D")
    ('glorot_uniform', 'glorot_uniform', 'kl_divergence', 'conv2d')
    """
    words = re.sub(r"([^_])([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def look_up(kind: str, name: str, known: Mapping[str, T], aliases: Mapping[str, str]) -> T:
    """Look up a name, written in CamelCase or in snake case.

    Args:
        kind: the kind of thing, for the error, such as ``"loss"``.
        name: the name.
        known: the things by name in snake case.
        aliases: other names in snake case, with the names that they refer to.

    Returns:
        The entry with that name.

    Raises:
        UnknownNameError: the name is unknown; the error has the nearest known one.

    >>> look_up("number", "One", {"one": 1}, {})
    1
    """
    key = snake(name)
    key = aliases.get(key, key)
    if key in known:
        return known[key]
    raise UnknownNameError(
        explain(
            f"Unknown {kind} {name!r}.",
            received=repr(name),
            remedy=nearest(key, [*known, *aliases]),
        )
    )


def made_by_name(
    kind: str,
    identifier: Any,
    known: Mapping[str, Callable[..., Callable[[Any], Any]]],
    aliases: Mapping[str, str],
) -> Callable[[Any], Any] | None:
    """Return the function of an array that an identifier refers to.

    Args:
        kind: the kind of function, for the error, such as ``"regularizer"``.
        identifier: a name, a dict of ``class_name`` and ``config`` as in Keras, a class, a
            function, or None.
        known: the classes by name in snake case.
        aliases: other names in snake case, with the names that they refer to.

    Returns:
        The function; of default options for a name or a class, and None for None.

    Raises:
        UnknownNameError: the name is unknown.
        InputError: the identifier is of another type.

    >>> made_by_name("number", {"class_name": "Round", "config": {}}, {"round": lambda: round}, {})
    <built-in function round>
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        return look_up(kind, identifier, known, aliases)()
    config: Mapping[str, Any] = {}
    if isinstance(identifier, Mapping):
        config = cast("Mapping[str, Any]", identifier)
    if "class_name" in config:
        return look_up(kind, config["class_name"], known, aliases)(**config.get("config", {}))
    instance = cast("object", identifier)
    if isinstance(instance, type):
        return instance()
    if callable(instance):
        return instance
    raise InputError(
        explain(
            f"The {kind} is not valid.",
            expected="a name, a function of one array, or None",
            received=repr(instance),
            remedy=f"Pass one of lamina.{kind}s, such as {next(iter(known))!r}.",
        )
    )
