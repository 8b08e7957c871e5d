"""A decoder-only transformer: forward and training step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["NORM_EPSILON", "Problem"]

NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class Problem:
    """Next-token prediction on random ids, trained with Adam.

    Each block normalizes first: causal self-attention, and two dense layers with GELU.

    Attributes:
        batch: batch size.
        time: number of tokens of each sequence.
        features: features of a token.
        heads: number of attention heads.
        blocks: number of blocks.
        vocabulary: number of token ids.
    """

    batch: int = 16
    time: int = 128
    features: int = 256
    heads: int = 4
    blocks: int = 4
    vocabulary: int = 4096

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """Kernels ``[inputs, outputs]`` and embeddings by name; biases are 0."""
        wide = 4 * self.features
        shapes = {"tokens": (self.vocabulary, self.features), "places": (self.time, self.features)}
        for block in range(self.blocks):
            for name in ("query", "key", "value", "output"):
                shapes[f"{block}.{name}"] = (self.features, self.features)
            shapes[f"{block}.up"] = (self.features, wide)
            shapes[f"{block}.down"] = (wide, self.features)
        shapes["logits"] = (self.features, self.vocabulary)
        rng = np.random.default_rng(0)
        scales = {name: 1 / math.sqrt(n if "." in name else m) for name, (n, m) in shapes.items()}
        return {
            name: (rng.normal(size=shape) * scales[name]).astype("float32")
            for name, shape in shapes.items()
        }

    @cached_property
    def ids(self) -> np.ndarray:
        """``[batch, time + 1]``: the inputs are all but the last, the labels all but the first."""
        rng = np.random.default_rng(1)
        return rng.integers(0, self.vocabulary, (self.batch, self.time + 1)).astype("int32")
