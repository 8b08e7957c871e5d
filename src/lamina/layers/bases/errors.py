"""Errors of layers: options out of range, and inputs that do not fit."""

from __future__ import annotations

from typing import Any

from lamina.core.base.sites import site
from lamina.core.running.errors import layer_name
from lamina.core.running.scope import current
from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain

__all__ = ["bad_option", "call_site", "name_of", "refusal"]


def refusal(
    layer: Tracked, symptom: str, *, expected: str, received: str, remedy: str
) -> InputError:
    """An error that names the layer, where it was made and where it is called.

    >>> from lamina import layers
    >>> str(refusal(layers.Flatten(), "got no input", expected="", received="", remedy=""))[:21]
    'Flatten got no input.'
    """
    return InputError(
        explain(
            f"{name_of(layer)} {symptom}.",
            where=call_site(layer),
            expected=expected,
            received=received,
            remedy=remedy,
        )
    )


def bad_option(layer: Tracked, name: str, value: Any, expected: str) -> InputError:
    """An error that names an option of the layer, and where the layer was made."""
    return InputError(
        explain(
            f"{type(layer).__name__} got an invalid value for {name}.",
            where=f"made at {layer._lamina.made_at}",
            expected=expected,
            received=f"{name}={value!r}",
            remedy=f"Correct {name} where the layer is made.",
        )
    )


def name_of(layer: Tracked) -> str:
    """The layer's class, with its path within the running call if there is one."""
    scope = current()
    return type(layer).__name__ if scope is None else layer_name(scope.call, layer)


def call_site(layer: Tracked) -> str:
    """Where the layer was made, and where it is called."""
    return f"made at {layer._lamina.made_at}; called at {site()}"
