"""Beam search of a translator: one compiled loop, against a loop in Python over its steps.

All follow the same texts of the same model, whose end mark is too unlikely to be written, so that
every text has the full length and a score is the logarithm of its probability.
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
        batch: rows.
        source: ids of a row.
        length: ids that are written.
        beam: texts followed at once.
        vocabulary: how many ids either side has; 0 is padding.
        embedding: the size of an id's vector.
        units: the size of the states.
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
