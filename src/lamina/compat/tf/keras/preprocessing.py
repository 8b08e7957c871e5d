"""`tf.keras.preprocessing`, with `sequence.pad_sequences` only."""

from __future__ import annotations

from typing import Any

from lamina.compat.tf.keras import utils as sequence
from lamina.compat.tf.missing import missing

__all__ = ["sequence"]


def __getattr__(name: str) -> Any:
    raise missing("tf.keras.preprocessing", name, __all__)
