"""`keras.losses`: Lamina's losses."""

from __future__ import annotations

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
