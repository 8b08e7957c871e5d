"""A training step of a translator: GRU encoder, GRU decoder with additive attention, Adam.

With the embedding e_t of the previous id, decoder states s_t and encoder outputs h_i::

    h_i, last = GRU(source embeddings),    s_0 = tanh(last bridge)
    c_t = sum_i softmax_i(V tanh(s_{t-1} W1 + h_i W2)) h_i
    s_t = GRU([e_t, c_t], s_{t-1}),        logits_t = s_t output

All libraries mask the padding of the source in the attention, although these rows have none.
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
        batch: batch size.
        source: ids per source row.
        target: ids per target row.
        vocabulary: vocabulary size of both sides; 0 is padding.
        embedding: size of the embeddings.
        units: number of recurrent units, and size of the attention's hidden layer.
    """

    batch: int = 64
    source: int = 16
    target: int = 16
    vocabulary: int = 5000
    embedding: int = 128
    units: int = 256

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Source ids, decoder inputs (targets without the last id) and labels (without the
        first)."""
        rng = np.random.default_rng(0)
        sizes = (self.batch, self.source), (self.batch, self.target + 1)
        source, target = (rng.integers(3, self.vocabulary, size, "int32") for size in sizes)
        return source, target[:, :-1].copy(), target[:, 1:].copy()

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """All weights by Lamina's paths, with the gate order update, reset, candidate."""
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
