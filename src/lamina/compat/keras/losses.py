"""`keras.losses`: Lamina's losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina import losses
from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded("keras.losses", {"lamina.losses": losses.__all__})


def serialize(loss: Any) -> Any:
    """Describe a loss as plain data.

    Args:
        loss: a loss.
    """
    return losses.serialize(loss)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make the loss that :func:`serialize` described.

    Args:
        name: plain data, or the name of a loss.
        custom_objects: classes and functions by name. Default None.
    """
    return losses.deserialize(name, custom_objects)
