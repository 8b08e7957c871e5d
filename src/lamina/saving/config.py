"""The arguments of a layer's constructor as a dict, and layers made again from such a dict."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from lamina.core.base.pytrees import leaves_of
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.saving.decoding import Maker
from lamina.saving.encoding import Recorder
from lamina.saving.lookup import Names

__all__ = ["from_config", "get_config"]


def get_config(layer: Tracked) -> dict[str, Any]:
    """What the layer's constructor was called with, by name: as given, or by default."""
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
                    expected="arguments that have names",
                    received=f"{len(value)} by position alone",
                    remedy=f"Define get_config, or let __init__ take {name} as one argument.",
                )
            )
    return config


def from_config(kind: type, config: Mapping[str, Any]) -> Any:
    """A layer of a class, from what `get_config` gave; layers in the config are made anew."""
    given = dict(config)
    with_layers = {name: value for name, value in given.items() if _holds_layers(value)}
    recorder = Recorder()
    described = recorder.record(with_layers, f"the config of {kind.__name__}")
    return kind(**given | Maker(Names(recorder.named)).make(described))


def _holds_layers(value: Any) -> bool:
    return any(isinstance(leaf, Tracked) for leaf in leaves_of(value))
