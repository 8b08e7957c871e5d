"""Classes and functions that a program registers by name, so that files and configs may name them.

They serve as entries of `custom_objects` everywhere. A name is ``"package>Name"``, or any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

__all__ = ["REGISTERED", "registered_name", "with_registered"]

REGISTERED: dict[str, Any] = {}
"""The classes and functions by name. Programs may add to it."""


def with_registered(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return custom objects together with the registered ones.

    A registered one has its bare name too, unless several packages have it.

    Args:
        given: classes and functions by name, which go first; None for none.

    >>> REGISTERED["mine>double"] = abs
    >>> sorted(with_registered({"triple": max}))
    ['double', 'mine>double', 'triple']
    >>> del REGISTERED["mine>double"]
    """
    if not REGISTERED:
        return dict(given or {})
    bare = Counter(name.rpartition(">")[2] for name in REGISTERED)
    short = {
        name.rpartition(">")[2]: one
        for name, one in REGISTERED.items()
        if bare[name.rpartition(">")[2]] == 1
    }
    return {**short, **REGISTERED, **(given or {})}


def registered_name(thing: Any) -> str | None:
    """Return the registered name of a class or function; None if it is not registered.

    Args:
        thing: the class or function.
    """
    return next((name for name, one in REGISTERED.items() if one is thing), None)
