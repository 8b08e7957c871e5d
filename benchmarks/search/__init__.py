"""Beam search of a translator: one compiled loop, compared with Python loops over compiled steps.

All use the same inputs and the same model. The end token of the model is so unlikely that all
outputs have the full length; scores are log-probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """Rows of ids to translate.

    Attributes:
        batch: number of rows.
        source: ids per row.
        length: ids per output.
        beam: beam width.
        vocabulary: vocabulary size of both sides; 0 is padding.
        embedding: size of the embeddings.
        units: number of recurrent units.
    """

    batch: int = 16
    source: int = 16
    length: int = 32
    beam: int = 5
    vocabulary: int = 5000
    embedding: int = 128
    units: int = 256

    @property
    def parts(self) -> int:
        return self.batch

    @cached_property
    def rows(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        return rng.integers(3, self.vocabulary, (self.batch, self.source), "int32")
