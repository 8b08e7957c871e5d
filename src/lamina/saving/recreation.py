"""Making layers again from the recorded arguments of their constructors."""

from __future__ import annotations

from typing import Any, cast

from lamina.core.calling.constructor import constructed_with
from lamina.core.tree.node import Tracked

__all__ = ["recreated"]


def recreated(value: Any, made: dict[int, Any] | None = None) -> Any:
    """A new layer with the constructor arguments of another; layers in them are made anew, too.

    A dict, list or tuple is copied with the layers in it; other values are returned as they are.

    >>> from lamina.layers import Dense
    >>> recreated(Dense(3, activation="relu"))
    Dense(3, activation='relu')
    """
    made = {} if made is None else made
    if isinstance(value, Tracked):
        if id(value) not in made:
            node = value._lamina
            arguments, keywords = constructed_with(value)
            twin = type(value)(*recreated(arguments, made), **recreated(keywords, made))
            twin._lamina.trainable, twin._lamina.inherits = node.trainable, node.inherits
            made[id(value)] = twin
        return made[id(value)]
    if type(value) is dict:
        items = cast("dict[Any, Any]", value).items()
        return {key: recreated(item, made) for key, item in items}
    if type(value) is list or type(value) is tuple:
        inside = [recreated(item, made) for item in cast("list[Any]", value)]
        return inside if isinstance(value, list) else tuple(inside)
    return value
