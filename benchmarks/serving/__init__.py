"""The translation server with concurrent clients, compared with one client at a time.

The end token of the model is so unlikely that all translations have the full length. The server
waits 5 ms for more texts of a batch, which also delays a single client.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """Requests of clients with persistent connections.

    Attributes:
        clients: number of concurrent clients.
        requests: total number of requests.
        length: maximum number of characters per text.
        written: number of characters per translation.
        vocabulary: number of characters.
        embedding: size of the embeddings.
        units: number of recurrent units.
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
