"""The config of a layer: the arguments of its constructor as a dict."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from lamina.core.base.pytrees import leaves_of
from lamina.core.calling.constructor import assigned_flag
from lamina.core.tree.node import Tracked
from lamina.core.tree.trainable import copy_flags
from lamina.core.tree.walk import walk
from lamina.errors import InputError, explain
from lamina.saving.decoding import Decoder
from lamina.saving.encoding import Encoder
from lamina.saving.lookup import Names

__all__ = ["from_config", "get_config"]


def get_config(layer: Tracked) -> dict[str, Any]:
    """Return the arguments of a layer's constructor, given or default.

    Args:
        layer: the layer.

    Returns:
        The arguments by name.

    Raises:
        InputError: the constructor was called with arguments that have no name.
    """
    signature = inspect.signature(type(layer).__init__)
    bound = signature.bind(layer, *layer._lamina.arguments, **layer._lamina.keywords)
    bound.apply_defaults()
    config: dict[str, Any] = {}
    for name, value in [*bound.arguments.items()][1:]:
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            config |= value
        elif kind is not inspect.Parameter.VAR_POSITIONAL:
            config[name] = value
        elif value:
            raise InputError(
                explain(
                    f"{type(layer).__name__} has no config: its constructor takes *{name}.",
                    where=f"made at {layer._lamina.made_at}",
                    expected="named arguments",
                    received=f"{len(value)} positional arguments",
                    remedy=f"Define get_config, or let __init__ take {name} as one argument.",
                )
            )
    return config | assigned_flag(layer)


def from_config(kind: type, config: Mapping[str, Any]) -> Any:
    """Make a layer from a config; layers in the config are copied.

    Args:
        kind: the class of the layer.
        config: the result of :func:`get_config`.

    Returns:
        The layer, unbuilt.
    """
    given = dict(config)
    with_layers = {name: value for name, value in given.items() if _holds_layers(value)}
    encoder = Encoder()
    described = encoder.record(with_layers, f"the config of {kind.__name__}")
    made = Decoder(Names(encoder.named)).make(described)
    for layer, twin in zip(_layers_in(with_layers), _layers_in(made), strict=True):
        copy_flags(walk(layer), walk(twin))
    return kind(**given | made)


def _holds_layers(value: Any) -> bool:
    return bool(_layers_in(value))


def _layers_in(value: Any) -> list[Tracked]:
    return [leaf for leaf in leaves_of(value) if isinstance(leaf, Tracked)]
