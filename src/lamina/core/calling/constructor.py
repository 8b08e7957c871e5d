"""Checks of the arguments of layers' constructors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, Unpack, cast, get_args, get_origin, get_type_hints

import numpy as np

from lamina.core.base.sites import site
from lamina.core.building.quantization import quantization_of
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain, nearest

__all__ = [
    "argument_names",
    "as_flag",
    "assigned_flag",
    "check_arguments",
    "check_options",
    "constructed_with",
]

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def check_arguments(layer: Tracked, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Check the arguments against the signature of the layer's ``__init__``.

    A call without arguments is valid here, because `copy` and `pickle` create layers that way; in
    other calls Python itself reports missing arguments.

    Raises:
        InputError: they do not match; the error has the line that creates the layer.
    """
    if not args and not kwargs:
        return
    if _fits(type(layer).__init__, len(args), kwargs.keys()):
        return
    signature = _signature(type(layer).__init__)
    try:
        signature.bind(layer, *args, **kwargs)
    except TypeError as error:
        names = argument_names(type(layer))
        unknown = [name for name in kwargs if name not in names]
        if unknown:
            raise _unknown_argument(layer, unknown, names) from None
        _, *parameters = signature.parameters.values()
        plain = [str(p.replace(annotation=inspect.Parameter.empty)) for p in parameters]
        by_name = f", and by name: {', '.join(kwargs)}" if kwargs else ""
        raise InputError(
            explain(
                f"{type(layer).__name__} does not take these arguments: {error}.",
                where=f"made at {layer._lamina.made_at}",
                expected=f"({', '.join(plain)})",
                received=f"{len(args)} positional arguments{by_name}",
                remedy="Pass each argument once, by position or by name.",
            )
        ) from None


@functools.cache
def _signature(init: Callable[..., None]) -> inspect.Signature:
    try:
        return inspect.signature(init)
    except ValueError:  # a base class implemented in C
        return inspect.signature(lambda *args, **options: None)


def _fits(init: Callable[..., None], count: int, names: Set[str]) -> bool:
    """Return whether arguments surely bind to ``init``; `Signature.bind` is the slower rule."""
    positional, required, known = _parameters(init)
    given = {*positional[:count], *names}
    return required <= given <= known and len(given) == count + len(names)


@functools.cache
def _parameters(init: Callable[..., None]) -> tuple[list[str], set[str], set[str]]:
    """Return the names of the positional, the required and all named parameters, without `self`."""
    parameters = [*_signature(init).parameters.values()][1:]
    named = [p for p in parameters if p.kind in _NAMED]
    return (
        [p.name for p in named if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD],
        {p.name for p in named if p.default is inspect.Parameter.empty},
        {p.name for p in named},
    )


def check_options(layer: Tracked, options: Iterable[str], known: Iterable[str]) -> None:
    """Check the names of the options that were passed to the base class of layers.

    Raises:
        InputError: one is unknown; the error has the line that creates the layer, or the line with
            ``super().__init__`` in its class if that passes the name.
    """
    unknown = [name for name in options if name not in known]
    if not unknown:
        return
    by_user = [name for name in unknown if name in layer._lamina.keywords]
    names = [*known] if len(by_user) < len(unknown) else argument_names(type(layer))
    raise _unknown_argument(layer, unknown, names, None if by_user else f"passed at {site()}")


def as_flag(layer: Tracked, name: str, value: Any) -> bool:
    """Return an option that is True or False.

    Raises:
        InputError: it is another value.
    """
    if value is True or value is False or isinstance(value, np.bool_):
        return bool(cast(Any, value))
    raise InputError(
        explain(
            f"{name} of {type(layer).__name__} is expected to be a boolean.",
            where=f"made at {layer._lamina.made_at}",
            expected="True or False",
            received=repr(value),
            remedy=f"Pass {name}=True or {name}=False.",
        )
    )


def _unknown_argument(
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
    """Return the names of the arguments of a class's constructor, in order.

    They are the parameters of ``__init__`` and, if it has ``**options``, the keys of their
    `TypedDict`, or else the arguments of the next base class.
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
        options = _options_of(owner.__init__, rest[0].name)
        if options is not None:
            names |= dict.fromkeys(options)
            break
    return [*names]


@functools.cache
def _options_of(function: Callable[..., None], name: str) -> Iterable[str] | None:
    """Return the keys of the `TypedDict` that annotates ``**name``; None if there is none."""
    try:
        hint = get_type_hints(function).get(name)
    except (NameError, TypeError, AttributeError):  # a type that only type checkers know
        return None
    return get_type_hints(get_args(hint)[0]) if get_origin(hint) is Unpack else None


def constructed_with(layer: Tracked) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a layer's constructor, with its present flag and quantization.

    Returns:
        The positional arguments, and the others by name.
    """
    node = layer._lamina
    arguments, keywords, flag = list(node.arguments), dict(node.keywords), assigned_flag(layer)
    config = quantization_of(layer)
    if config is not None:
        keywords["quantization_config"] = config
    if not flag:
        return arguments, keywords
    names = list(_signature(type(layer).__init__).parameters)[1 : len(arguments) + 1]
    if "trainable" in names:
        arguments[names.index("trainable")] = flag["trainable"]
    else:
        keywords |= flag
    return arguments, keywords


def assigned_flag(layer: Tracked) -> dict[str, bool]:
    """Return the argument `trainable`, if the flag was assigned and the constructor takes it."""
    node = layer._lamina
    known = not node.inherits and "trainable" in argument_names(type(layer))
    return {"trainable": node.trainable} if known else {}
