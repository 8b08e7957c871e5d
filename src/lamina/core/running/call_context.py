"""Arguments that a call passes down to the layers within it, as it passes `training`.

A layer registers the names of such arguments. If its `call` has a parameter of that name, it is
given the argument, unless it is passed explicitly.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from lamina.core.specs.signature import RESERVED, Method
from lamina.core.tree.edition import EDITION
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, StateError, explain

__all__ = ["context_arguments", "passed_down", "register"]

_NONE: Mapping[str, Any] = MappingProxyType({})
_PASSED: ContextVar[Mapping[str, Any]] = ContextVar("lamina_call_context", default=_NONE)


def register(layer: Tracked, *names: str) -> None:
    """Register arguments that calls of the layer pass down to the layers within it.

    ``layer(x, foo_mode=True)`` then passes ``foo_mode`` to each inner layer that has registered the
    name and whose `call` has the parameter. An argument of an inner call goes first.

    Args:
        *names: the names.

    Raises:
        InputError: a name is reserved.
        StateError: the layer was called before.
    """
    node = layer._lamina
    label, where = type(layer).__name__, f"made at {node.made_at}"
    if node.plans.called:
        raise StateError(
            explain(
                f"Call-context arguments of {label} are registered after the layer was called.",
                where=where,
                expected="registration in __init__",
                received=", ".join(names),
                remedy="Register the names before the first call.",
            )
        )
    reserved = [name for name in names if name in RESERVED]
    if reserved:
        raise InputError(
            explain(
                f"{label} registers the reserved name {reserved[0]!r} as a call-context argument.",
                where=where,
                expected=f"names other than {', '.join(RESERVED)}",
                received=", ".join(names),
                remedy="Choose another name.",
            )
        )
    known = node.context or ()
    new = [name for name in dict.fromkeys(names) if name not in (*known, "training")]
    node.context = (*known, *new) or None
    EDITION.advance(node)


def context_arguments(layer: Tracked) -> tuple[str, ...]:
    """The names of the arguments that calls pass down to inner layers."""
    return ("training", *(layer._lamina.context or ()))


@contextlib.contextmanager
def passed_down(
    names: tuple[str, ...], method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Generator[dict[str, Any]]:
    """In a `with` block, pass arguments down to inner calls.

    Args:
        names: the names that the layer has registered.
        method: the signature of its `call`.
        args: the positional arguments of the call.
        kwargs: the keyword arguments of the call.

    Returns:
        A context manager that returns the keyword arguments for `call`.
    """
    passed, rest = dict(_PASSED.get()), dict(kwargs)
    for name in names:
        position = method.inputs.index(name) if name in method.inputs else None
        if position is not None and position < len(args):
            passed[name] = args[position]
            continue
        if name in rest:
            passed[name] = rest.pop(name)
        if position is not None and passed.get(name) is not None:
            rest[name] = passed[name]
    token = _PASSED.set(passed)
    try:
        yield rest
    finally:
        _PASSED.reset(token)
