"""Layers that are given to other layers: checked, and made anew."""

from __future__ import annotations

from typing import Any, cast

from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.layer import Layer

__all__ = ["check_layer", "made_anew"]


def check_layer(owner: Tracked, name: str, layer: Any) -> Layer:
    """The option, if it is a layer.

    Raises:
        InputError: it is not.
    """
    if isinstance(layer, Layer):
        return layer
    raise InputError(
        explain(
            f"{type(owner).__name__} wraps a layer.",
            where=f"made at {owner._lamina.made_at}",
            expected=f"{name}: a layer, such as layers.LSTM(8)",
            received=repr(layer),
            remedy="Make the layer first, and wrap that.",
        )
    )


def made_anew(value: Any, made: dict[int, Any] | None = None) -> Any:
    """A layer made again from the arguments that it was made with, layers among them anew, too.

    >>> from lamina.layers import Dense
    >>> made_anew(Dense(3, activation="relu"))
    Dense(3, activation='relu')
    """
    made = {} if made is None else made
    if isinstance(value, Tracked):
        if id(value) not in made:
            node = value._lamina
            arguments = made_anew(list(node.arguments), made)
            twin = type(value)(*arguments, **made_anew(dict(node.keywords), made))
            twin._lamina.trainable = node.trainable
            made[id(value)] = twin
        return made[id(value)]
    if type(value) is dict:
        items = cast("dict[Any, Any]", value).items()
        return {key: made_anew(item, made) for key, item in items}
    if type(value) is list or type(value) is tuple:
        inside = [made_anew(item, made) for item in cast("list[Any]", value)]
        return inside if isinstance(value, list) else tuple(inside)
    return value
