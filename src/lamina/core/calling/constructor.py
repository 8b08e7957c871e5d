"""The arguments of a layer's constructor, and the errors for those that it does not take."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Unpack, get_args, get_origin, get_type_hints

from lamina.core.base.sites import site
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain, nearest

__all__ = ["argument_names", "check_arguments", "check_options"]

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def check_arguments(layer: Tracked, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Check the arguments against the signature of the layer's ``__init__``.

    A call without arguments passes, since `copy` and `pickle` make layers that way; for those of
    users, Python itself says which argument is missing.

    Raises:
        InputError: they do not fit; the error says where the layer is made.
    """
    if not args and not kwargs:
        return
    signature = _signature(type(layer).__init__)
    try:
        signature.bind(layer, *args, **kwargs)
    except TypeError as error:
        names = argument_names(type(layer))
        unknown = [name for name in kwargs if name not in names]
        if unknown:
            raise _refusal(layer, unknown, names) from None
        _, *parameters = signature.parameters.values()
        plain = [str(p.replace(annotation=inspect.Parameter.empty)) for p in parameters]
        by_name = f", by name: {', '.join(kwargs)}" if kwargs else ""
        raise InputError(
            explain(
                f"{type(layer).__name__} does not take these arguments: {error}.",
                where=f"made at {layer._lamina.made_at}",
                expected=f"({', '.join(plain)})",
                received=f"{len(args)} by position{by_name}",
                remedy="Pass each argument once, by position or by name.",
            )
        ) from None


@functools.cache
def _signature(init: Callable[..., None]) -> inspect.Signature:
    try:
        return inspect.signature(init)
    except ValueError:  # of a base class that is written in C
        return inspect.signature(lambda *args, **options: None)


def check_options(layer: Tracked, options: Iterable[str], known: Iterable[str]) -> None:
    """Check the names of the options that reached the base class of layers.

    Raises:
        InputError: one is not known; the error says where the layer is made, or where its class
            calls ``super().__init__`` if the name comes from there.
    """
    unknown = [name for name in options if name not in known]
    if not unknown:
        return
    given = [name for name in unknown if name in layer._lamina.keywords]
    names = [*known] if len(given) < len(unknown) else argument_names(type(layer))
    raise _refusal(layer, unknown, names, None if given else f"passed at {site()}")


def _refusal(
    layer: Tracked, unknown: list[str], names: Iterable[str], where: str | None = None
) -> InputError:
    return InputError(
        explain(
            f"{type(layer).__name__} has no argument {unknown[0]!r}.",
            where=where or f"made at {layer._lamina.made_at}",
            received=", ".join(unknown) if len(unknown) > 1 else None,
            remedy=nearest(unknown[0], names),
        )
    )


def argument_names(kind: type) -> list[str]:
    """The arguments of a class's constructor by name, in order.

    They are the parameters of ``__init__`` and, where it passes ``**options`` on, the keys of
    their `TypedDict`, or the arguments of the next base class.
    """
    names: dict[str, None] = {}
    for owner in kind.__mro__:
        if "__init__" not in vars(owner):
            continue
        _, *parameters = _signature(owner.__init__).parameters.values()
        names |= dict.fromkeys(p.name for p in parameters if p.kind in _NAMED)
        rest = [p for p in parameters if p.kind is inspect.Parameter.VAR_KEYWORD]
        if not rest:
            break
        options = _options_of(owner, rest[0].name)
        if options is not None:
            names |= dict.fromkeys(options)
            break
    return [*names]


def _options_of(owner: type, name: str) -> Iterable[str] | None:
    """The keys of the `TypedDict` that annotates ``**name``; None if there is none."""
    try:
        hint = get_type_hints(owner.__init__).get(name)
    except (NameError, TypeError, AttributeError):  # a type that exists for type checkers alone
        return None
    return get_type_hints(get_args(hint)[0]) if get_origin(hint) is Unpack else None
