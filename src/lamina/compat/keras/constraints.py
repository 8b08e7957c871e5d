"""`keras.constraints`: Lamina's constraints."""

from __future__ import annotations

from typing import Any

from lamina import constraints
from lamina.compat.keras.forwarding import forwarded

__getattr__, __dir__ = forwarded("keras.constraints", {"lamina.constraints": constraints.__all__})


def serialize(constraint: Any) -> Any:
    """Describe a constraint as plain data.

    Args:
        constraint: a constraint.
    """
    return constraints.serialize(constraint)
