"""Layers that are arguments of other layers: checked, and copied."""

from __future__ import annotations

from typing import Any

from lamina.core.tree.node import Tracked
from lamina.errors import InputError, explain
from lamina.layer import Layer

__all__ = ["check_layer"]


def check_layer(owner: Tracked, name: str, layer: Any) -> Layer:
    """Returns the option, which is a layer.

    Raises:
        InputError: it is not one.
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
