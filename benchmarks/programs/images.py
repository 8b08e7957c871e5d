"""A convolutional net with augmentation in the model, trained by `fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.programs import Problem


def data(problem: Problem) -> Any:
    rng = np.random.default_rng(0)
    count = problem.batch * problem.batches
    images = rng.integers(0, 256, (count, 32, 32, 3)).astype("float32")
    return images, rng.integers(0, 10, count).astype("int32")


def training(keras: Any, problem: Problem, data: Any) -> Callable[[], Any]:
    layers = keras.layers
    inputs = keras.Input((32, 32, 3))
    x = layers.RandomFlip("horizontal")(inputs)
    x = layers.RandomRotation(0.1)(x)
    x = layers.RandomZoom(0.1)(x)
    x = layers.Rescaling(1 / 255)(x)
    for filters in (32, 64, 128):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.5)(x)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )

    def epoch() -> Any:
        history = model.fit(*data, batch_size=problem.batch, epochs=1, verbose=0)
        return np.asarray(history.history["loss"])

    return epoch
