"""The arguments of compiled calls: arrays, and a static part that selects the program."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from lamina.core.base.inputs import as_arguments
from lamina.core.base.pytrees import flatten
from lamina.core.running.keys import as_key
from lamina.core.running.scope import as_mode

__all__ = ["StaticArguments", "normalized", "split", "with_modes"]


class StaticArguments(NamedTuple):
    """The static part of arguments of any kind.

    Attributes:
        structure: the pytree structure of the arguments.
        places: the indices of the leaves that are arrays.
        static: the leaves, with None in place of arrays.
    """

    structure: Any
    places: tuple[int, ...]
    static: tuple[Any, ...]


def normalized(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Convert `rng` to a key, so that a seed is not a constant of the program, and `training`."""
    result = dict(kwargs)
    if result.get("rng") is not None:
        result["rng"] = as_key(result["rng"])
    if result.get("training") is not None:
        result["training"] = as_mode(result["training"], False)
    return result


def with_modes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
    """Split positional arrays and keyword arguments into a static key and the arrays.

    Keyword arguments that are all bools are a key themselves, which is faster.
    """
    if all(value.__class__ is bool for value in kwargs.values()):
        return tuple(kwargs.items()), args
    return split(args, kwargs)


def split(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[StaticArguments, tuple[Any, ...]]:
    """Split arguments of any kind into their static part and the arrays."""
    leaves, structure = flatten(as_arguments(args, normalized(kwargs), "The compiled call"))
    places = tuple(index for index, leaf in enumerate(leaves) if isinstance(leaf, jax.Array))
    static = tuple(None if index in places else leaf for index, leaf in enumerate(leaves))
    return StaticArguments(structure, places, static), tuple(leaves[index] for index in places)
