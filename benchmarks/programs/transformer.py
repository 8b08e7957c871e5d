"""A small language model: blocks written with Keras's layers, trained by `fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.programs import Problem

IDS, LENGTH, FEATURES = 2000, 64, 128


def data(problem: Problem) -> Any:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, IDS, (problem.batch * problem.batches, LENGTH + 1)).astype("int32")
    return ids[:, :-1], ids[:, 1:]


def training(keras: Any, problem: Problem, data: Any) -> Callable[[], Any]:
    layers, ops = keras.layers, keras.ops

    class Embedded(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = layers.Embedding(IDS, FEATURES)
            self.positions = layers.Embedding(LENGTH, FEATURES)

        def call(self, x: Any) -> Any:
            return self.tokens(x) + self.positions(ops.arange(ops.shape(x)[-1]))

    class Block(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.attention = layers.MultiHeadAttention(4, FEATURES // 4)
            self.feed_forward = keras.Sequential(
                [layers.Dense(4 * FEATURES, activation="relu"), layers.Dense(FEATURES)]
            )
            self.norms = [layers.LayerNormalization(epsilon=1e-6) for _ in range(2)]
            self.dropouts = [layers.Dropout(0.1) for _ in range(2)]

        def call(self, x: Any, training: bool = False) -> Any:
            attended = self.attention(x, x, use_causal_mask=True)
            x = self.norms[0](x + self.dropouts[0](attended, training=training))
            return self.norms[1](x + self.dropouts[1](self.feed_forward(x), training=training))

    inputs = keras.Input((LENGTH,), dtype="int32")
    x = Embedded()(inputs)
    for _ in range(2):
        x = Block()(x)
    model = keras.Model(inputs, layers.Dense(IDS)(x))
    model.compile(
        optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )

    def epoch() -> Any:
        history = model.fit(*data, batch_size=problem.batch, epochs=1, verbose=0)
        return np.asarray(history.history["loss"])

    return epoch
