"""A classifier of texts: an embedding and two bidirectional LSTM layers, trained by `fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.programs import Problem


def data(problem: Problem) -> Any:
    rng = np.random.default_rng(0)
    count = problem.batch * problem.batches
    words = np.asarray([f"word{i}" for i in range(5000)])
    texts = [" ".join(row) for row in words[rng.integers(0, len(words), (count, 80))]]
    return np.asarray(texts), rng.integers(0, 2, count).astype("float32")


def training(keras: Any, problem: Problem, data: Any) -> Callable[[], Any]:
    layers = keras.layers
    texts, labels = data
    words = sorted({word for text in texts[:1000] for word in text.split()})
    number = {word: index + 2 for index, word in enumerate(words)}
    # TextVectorization needs TensorFlow in Keras: the ids are made here in both libraries.
    ids = np.asarray([[number.get(w, 1) for w in text.split()] for text in texts], "int32")
    inputs = keras.Input((None,), dtype="int32")
    x = layers.Embedding(5002, 128, mask_zero=True)(inputs)
    x = layers.Bidirectional(layers.LSTM(64, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(64))(x)
    x = layers.Dropout(0.5)(x)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])

    def epoch() -> Any:
        history = model.fit(ids, labels, batch_size=problem.batch, epochs=1, verbose=0)
        return np.asarray(history.history["loss"])

    return epoch
