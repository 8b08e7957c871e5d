"""The server of a translator: many clients at once, against one after the other.

All texts are of the same model, whose end mark is too unlikely to be written, so that every
translation has the full length. A text waits 5 ms for others to be translated with, which counts
for a client that is alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """Texts that clients have translated, each over a connection that is kept.

    Attributes:
        clients: how many ask at once.
        requests: of all clients together.
        length: the most characters of a text.
        written: characters of a translation.
        vocabulary: how many characters there are.
        embedding: the size of a character's vector.
        units: the size of the states.
    """

    clients: int = 16
    requests: int = 320
    length: int = 40
    written: int = 11
    vocabulary: int = 100
    embedding: int = 32
    units: int = 64

    @property
    def parts(self) -> int:
        return self.requests

    @property
    def characters(self) -> str:
        return "".join(map(chr, range(0x4E00, 0x4E00 + self.vocabulary)))

    @cached_property
    def texts(self) -> list[str]:
        rng = np.random.default_rng(0)
        lengths = rng.integers(1, self.length, self.requests, endpoint=True)
        return ["".join(rng.choice(list(self.characters), length)) for length in lengths]
