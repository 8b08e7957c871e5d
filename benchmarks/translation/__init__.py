"""A step of training of a translator: GRU encoder, GRU decoder with additive attention, Adam.

With e_t the embedding of the id before, s the decoder's state and h_i what the encoder read::

    h_i, last = GRU(source embeddings),    s_0 = tanh(last bridge)
    c_t = sum_i softmax_i(V tanh(s_{t-1} W1 + h_i W2)) h_i
    s_t = GRU([e_t, c_t], s_{t-1}),        logits_t = s_t output

All contenders leave padding of the source out of the attention, though these rows have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """Random rows of ids.

    Attributes:
        batch: rows a step.
        source: ids of a source row.
        target: ids of a target row.
        vocabulary: how many ids either side has; 0 is padding.
        embedding: the size of an id's vector.
        units: the size of the states, and of the attention's hidden layer.
    """

    batch: int = 64
    source: int = 16
    target: int = 16
    vocabulary: int = 5000
    embedding: int = 128
    units: int = 256

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ids of the source, of the target but its last, and of the target but its first."""
        rng = np.random.default_rng(0)
        sizes = (self.batch, self.source), (self.batch, self.target + 1)
        source, target = (rng.integers(3, self.vocabulary, size, "int32") for size in sizes)
        return source, target[:, :-1].copy(), target[:, 1:].copy()

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """All weights, by Lamina's paths; the gates are update, reset, candidate."""
        vocabulary, embedding, units = self.vocabulary, self.embedding, self.units
        gates = 3 * units
        shapes = {
            "encoder.embed.embeddings": (vocabulary, embedding),
            "encoder.forwards.kernel": (embedding, gates),
            "encoder.forwards.recurrent_kernel": (units, gates),
            "encoder.forwards.bias": (2, gates),
            "encoder.bridge.kernel": (units, units),
            "encoder.bridge.bias": (units,),
            "decoder.embed.embeddings": (vocabulary, embedding),
            "decoder.attention.W1.kernel": (units, units),
            "decoder.attention.W2.kernel": (units, units),
            "decoder.attention.W2.bias": (units,),
            "decoder.attention.V.kernel": (units, 1),
            "decoder.kernel": (embedding, gates),
            "decoder.context_kernel": (units, gates),
            "decoder.recurrent_kernel": (units, gates),
            "decoder.bias": (2, gates),
            "decoder.output.kernel": (units, vocabulary),
            "decoder.output.bias": (vocabulary,),
        }
        rng = np.random.default_rng(1)
        return {
            path: (rng.normal(size=shape) / np.sqrt(max(shape[0], 16))).astype("float32")
            for path, shape in shapes.items()
        }
