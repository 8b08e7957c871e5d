"""The names of a graph's layers, by which they are its attributes, and of its inputs."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any, cast

from lamina.core.calling.views import name as name_of
from lamina.core.tree.node import ATTRIBUTE
from lamina.errors import InputError, explain
from lamina.layer import Layer
from lamina.models.ends import ENDS

__all__ = ["check_names", "named", "names_of_inputs"]


def named(layers: Iterable[Any], kind: type) -> dict[str, Layer]:
    """The layers by names that no other has, and that are no attribute of a class of models."""
    found: dict[str, Layer] = {}
    for layer in layers:
        if any(layer is other for other in found.values()):
            continue
        plain = name_of(layer).replace(".", "_")
        count, name = 0, plain
        while name in found or _is_taken(name, kind):
            count += 1
            name = f"{plain}_{count}"
        found[name] = layer
    return found


def check_names(names: Iterable[Any], kind: type) -> None:
    """Let only names pass that :func:`named` may have given.

    Raises:
        InputError: one is that of an attribute of the class.
    """
    for name in names:
        if not isinstance(name, str) or name.startswith("__") or _is_taken(name, kind):
            raise InputError(
                explain(
                    "A layer of a graph has a name that is not free.",
                    expected="a name that is no attribute of a model",
                    received=repr(name),
                    remedy="Give the layer another name.",
                )
            )


def names_of_inputs(inputs: Any, names: Sequence[str | None]) -> list[str]:
    """The names of a graph's inputs: their own, the keys of their dict, or by their number.

    >>> names_of_inputs([], ["image", None]), names_of_inputs(None, [None])
    (['image', 'inputs_1'], ['inputs'])
    """
    if isinstance(inputs, dict):
        return sorted(cast("dict[str, Any]", inputs))
    plain = [f"inputs_{index}" for index in range(len(names))] if len(names) > 1 else ["inputs"]
    return [name or other for name, other in zip(names, plain, strict=True)]


def _is_taken(name: str, kind: type) -> bool:
    of_class = inspect.getattr_static(kind, name, None) is not None
    return name in ("graph", ATTRIBUTE) or (name not in ENDS and of_class)
