"""Text as data of models whose first layers convert it to numbers."""

from __future__ import annotations

from typing import Any

from lamina.layer import Layer
from lamina.layers.bases.text import is_text

__all__ = ["with_ids", "with_validation_ids"]


def with_ids(model: Layer, x: Any) -> Any:
    """Apply the first layers of a `Sequential`, if they are of text, to text.

    Args:
        model: the model.
        x: its inputs.

    Returns:
        The inputs of the model's programs. Data that are not text are returned as they are.
    """
    if is_text(x):
        for layer in getattr(model, "_of_text", list[Any])():
            x = layer(x)
    return x


def with_validation_ids(model: Layer, data: Any) -> Any:
    """Apply :func:`with_ids` to the inputs of ``(x, y)`` or ``(x, y, sample_weight)``."""
    if data.__class__ is tuple and data:
        return (with_ids(model, data[0]), *data[1:])
    return data
