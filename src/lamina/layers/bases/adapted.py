"""Options that a layer finds in data: files hold them, and programs hold them as constants."""

from __future__ import annotations

import inspect
from typing import Any

from lamina.core.tree.edition import EDITION
from lamina.core.tree.node import Tracked

__all__ = ["record_options"]


def record_options(layer: Tracked, **options: Any) -> None:
    """Replace recorded arguments of a layer's constructor, so that copies and files have them.

    Programs that were compiled with the former options are compiled again.

    Args:
        layer: the layer.
        **options: values by the names of the arguments; names that the constructor of a subclass
            does not have are ignored.

    >>> from lamina import layers
    >>> layer = layers.Discretization(num_bins=2)
    >>> record_options(layer, bin_boundaries=[0.5])
    >>> layer
    Discretization(num_bins=2, bin_boundaries=[0.5])
    """
    node = layer._lamina
    parameters = list(inspect.signature(type(layer).__init__).parameters.values())[1:]
    names = [one.name for one in parameters]
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters)
    arguments = list(node.arguments)
    for name, value in options.items():
        if name in names[: len(arguments)]:
            arguments[names.index(name)] = value
        elif name in names or takes_any:
            node.keywords[name] = value
    node.arguments = tuple(arguments)
    node.revision += 1
    EDITION.advance(node)
