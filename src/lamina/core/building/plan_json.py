"""The JSON form of plans."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import jax

from lamina.core.base.sites import Site
from lamina.core.specs.spec import Arguments, Spec, map_specs
from lamina.errors import FileFormatError, InputError, explain
from lamina.json_text import read_json

__all__ = ["decode", "encode"]

T = TypeVar("T")
_SPEC = {"shape", "dtype"}


def encode(plan: Any) -> str:
    """Return the JSON of a plan: an object with its attributes.

    A line of a file is ``"file:line"``, a spec ``{"shape": [...], "dtype": "..."}``, and the
    arguments of a call ``[positional, by name]``.
    """
    return json.dumps(_fields(plan), default=str)


def _fields(value: Any) -> Any:
    if isinstance(value, Site):
        return str(value)
    if isinstance(value, Arguments):
        return [_plain(value.args), _plain(value.kwargs)]
    if dataclasses.is_dataclass(value) and not isinstance(value, Spec):
        names = [one.name for one in dataclasses.fields(value)]
        return {name: _fields(getattr(value, name)) for name in names}
    if isinstance(value, tuple):
        return [_fields(one) for one in cast("tuple[Any, ...]", value)]
    return _plain(value)


def _plain(tree: Any) -> Any:
    return map_specs(lambda spec: {"shape": list(spec.shape), "dtype": str(spec.dtype)}, tree)


def decode(text: str | bytes, kind: type[T], check: Callable[[T], None]) -> T:
    """Read a plan from its JSON.

    Args:
        text: the JSON.
        kind: the class of plans.
        check: a function of the plan, which raises a ValueError.

    Raises:
        FileFormatError: it is not the JSON of a plan.
    """
    try:
        found = read_json(text.decode() if isinstance(text, bytes) else text, "The plan")
        plan = _as(kind, found, "the plan")
        check(plan)
        return plan
    except (ValueError, TypeError, InputError) as error:
        raise FileFormatError(
            explain(
                "The text is not a plan.",
                expected="the JSON of Plan.to_json()",
                received=str(error)[:200],
                remedy="Write it again with plan.to_json().",
            )
        ) from error


def _as(kind: Any, value: Any, name: str) -> Any:
    """Convert a value of JSON to a type of the classes of plans."""
    if kind is Any:
        return _specs(value)
    if kind is Site:
        file, colon, line = str(value).rpartition(":")
        if not isinstance(value, str) or not colon or not line.lstrip("-").isdigit():
            raise ValueError(f"{name} is no line of a file")
        return Site(file, int(line[:9]))
    if kind is Arguments:
        args, kwargs = _as(list, value, name)
        return Arguments(tuple(_as(list, _specs(args), name)), _as(dict, _specs(kwargs), name))
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return None if value is None else _as(get_args(kind)[0], value, name)
    if origin is tuple:
        return tuple(_as(get_args(kind)[0], one, name) for one in _as(list, value, name))
    if origin is dict:
        items = _as(dict, value, name).items()
        return {key: _as(get_args(kind)[1], one, name) for key, one in items}
    if dataclasses.is_dataclass(kind):
        return _record(cast("type[Any]", kind), value, name)
    if type(value) is not kind:
        raise ValueError(f"{name} is not {kind.__name__}")
    if kind is int and abs(value) >= 1 << 63:
        raise ValueError(f"{name} does not fit in 64 bits")
    return value


def _record(kind: type[T], value: Any, name: str) -> T:
    given = cast("Mapping[str, Any]", _as(dict, value, name))
    hints = get_type_hints(kind)
    fields = [one.name for one in dataclasses.fields(cast(Any, kind))]
    unknown = sorted(set(given) - set(fields))
    if unknown:
        raise ValueError(f"{name} has no attribute {unknown[0]!r}")
    return kind(**{one: _as(hints[one], given[one], one) for one in fields if one in given})


def _specs(value: Any) -> Any:
    """Replace the objects of specs in a value of JSON by specs."""
    if isinstance(value, list):
        return [_specs(one) for one in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    items = cast("dict[str, Any]", value)
    if set(items) == _SPEC and isinstance(items["dtype"], str) and _is_shape(items["shape"]):
        dtype = items["dtype"]
        return Spec(items["shape"], jax.random.key(0).dtype if "<" in dtype else dtype)
    return {key: _specs(one) for key, one in items.items()}


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and all(
        one is None or type(one) in (int, str) for one in cast("list[Any]", value)
    )
