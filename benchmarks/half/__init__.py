"""Training steps in float32 and with products in bfloat16."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks import convnet, decoder, mlp

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """A training step of a model of another family.

    Attributes:
        model: ``"MLP"``, ``"conv net"`` or ``"transformer"``.
        batch: batch size.
        small: whether the model is small, to compare results only.
    """

    model: str
    batch: int
    small: bool = False

    @property
    def inner(self) -> Any:
        """The problem of the family that has the model."""
        if self.model == "conv net":
            return convnet.Problem("plain", self.batch, 8 if self.small else 32)
        if self.model == "transformer":
            sizes = {"time": 8, "features": 16, "vocabulary": 32} if self.small else {}
            return decoder.Problem(self.batch, **sizes)
        return mlp.Problem(self.batch, hidden=16 if self.small else 1024)
