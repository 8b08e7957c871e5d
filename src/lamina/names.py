"""Finding things by name: losses, metrics, initializers, activations, regularizers."""

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
    """A class's name as Keras writes it in lower case.

    >>> snake("GlorotUniform"), snake("glorot_uniform"), snake("KLDivergence"), snake("Conv2D")
    ('glorot_uniform', 'glorot_uniform', 'kl_divergence', 'conv2d')
    """
    words = re.sub(r"([^_])([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def look_up(kind: str, name: str, known: Mapping[str, T], aliases: Mapping[str, str]) -> T:
    """What stands under a name, written as a class or in lower case.

    Raises:
        UnknownNameError: nothing does; it names the nearest that there is.

    >>> look_up("number", "One", {"one": 1}, {})
    1
    """
    key = snake(name)
    key = aliases.get(key, key)
    if key in known:
        return known[key]
    raise UnknownNameError(
        explain(
            f"There is no {kind} of that name.",
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
    """The function of an array that a user means: by name, as Keras's dict, itself, or none.

    Raises:
        UnknownNameError: nothing has that name.
        InputError: it is none of those.

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
    given = cast("object", identifier)
    if isinstance(given, type):
        return given()
    if callable(given):
        return given
    raise InputError(
        explain(
            f"That is not a {kind}.",
            expected="a name, a function of one array, or None",
            received=repr(given),
            remedy=f"Give one of lamina.{kind}s, such as {next(iter(known))!r}.",
        )
    )
