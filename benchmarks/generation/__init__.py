"""Generation of tokens by GPT-2 with random weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """Prompts to continue, greedily or by a beam search.

    Attributes:
        batch: number of prompts.
        beams: number of beams; 1 for greedy decoding.
        prompt: ids per prompt.
        new: new ids after each prompt.
        blocks: number of blocks.
        features: number of features.
        heads: number of attention heads.
        vocabulary: number of ids.
        positions: number of positions.
    """

    batch: int
    beams: int = 1
    prompt: int = 32
    new: int = 64
    blocks: int = 12
    features: int = 768
    heads: int = 12
    vocabulary: int = 50257
    positions: int = 1024

    @property
    def parts(self) -> int:
        return self.batch * self.new

    @cached_property
    def rows(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        return rng.integers(0, self.vocabulary, (self.batch, self.prompt), "int32")

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """The weights under the names of GPT-2's files."""
        rng = np.random.default_rng(1)
        width = self.features

        def normal(*shape: int) -> np.ndarray:
            return rng.standard_normal(shape, "float32") * np.float32(0.05)

        found = {
            "wte.weight": normal(self.vocabulary, width),
            "wpe.weight": normal(self.positions, width),
            "ln_f.weight": 1 + normal(width),
            "ln_f.bias": normal(width),
        }
        for index in range(self.blocks):
            for name, inputs, outputs in (
                ("attn.c_attn", width, 3 * width),
                ("attn.c_proj", width, width),
                ("mlp.c_fc", width, 4 * width),
                ("mlp.c_proj", 4 * width, width),
            ):
                found[f"h.{index}.{name}.weight"] = normal(inputs, outputs)
                found[f"h.{index}.{name}.bias"] = normal(outputs)
            for name in ("ln_1", "ln_2"):
                found[f"h.{index}.{name}.weight"] = 1 + normal(width)
                found[f"h.{index}.{name}.bias"] = normal(width)
        return found
