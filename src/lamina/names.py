"""Finding things by name: losses, metrics, initializers, activations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from lamina.errors import UnknownNameError, explain, nearest

__all__ = ["look_up", "snake"]

T = TypeVar("T")


def snake(name: str) -> str:
    """A class's name as Keras writes it in lower case.

    >>> snake("GlorotUniform"), snake("glorot_uniform"), snake("KLDivergence")
    ('glorot_uniform', 'glorot_uniform', 'kl_divergence')
    """
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()


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
