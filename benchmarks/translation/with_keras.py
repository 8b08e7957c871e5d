"""Keras: a GRU layer, and an `RNN` layer over a cell with a `GRUCell` and attention.

`RNN` runs the cell in one scan. The decoder sets the encoder outputs as an attribute of the cell,
because Keras 3 passes no constants to cells. The keys are computed once, outside the scan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from benchmarks.adam import EPSILON, LEARNING_RATE
from benchmarks.translation import Problem


class AttentionCell(layers.Layer):
    """A step of the decoder."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.state_size = self.output_size = units
        self.query = layers.Dense(units, use_bias=False)
        self.score = layers.Dense(1, use_bias=False)
        self.gru = layers.GRUCell(units)
        self.memory: Any = None

    def build(self, input_shape: Any) -> None:
        units = self.state_size
        self.query.build((None, units))
        self.score.build((None, None, units))
        self.gru.build((None, input_shape[-1] + units))
        self.built = True

    def call(self, inputs: Any, states: Any) -> Any:
        values, keys, mask = self.memory
        hidden = ops.tanh(ops.expand_dims(self.query(states[0]), 1) + keys)
        scores = ops.where(mask, ops.squeeze(self.score(hidden), -1), -1e9)
        weights = ops.softmax(scores)
        context = ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), values), 1)
        output, states = self.gru(ops.concatenate([inputs, context], -1), states)
        return output, states


class Translator(keras.Model):
    def __init__(self, problem: Problem) -> None:
        super().__init__()
        vocabulary, embedding, units = problem.vocabulary, problem.embedding, problem.units
        self.source_embedding = layers.Embedding(vocabulary, embedding, mask_zero=True)
        self.encoder = layers.GRU(units, return_sequences=True, return_state=True)
        self.bridge = layers.Dense(units, activation="tanh")
        self.target_embedding = layers.Embedding(vocabulary, embedding)
        self.keys = layers.Dense(units)
        self.cell = AttentionCell(units)
        self.decoder = layers.RNN(self.cell, return_sequences=True)
        self.logits = layers.Dense(vocabulary)

    def call(self, inputs: Any) -> Any:
        source, before = inputs
        values, state = self.encoder(self.source_embedding(source))
        self.cell.memory = values, self.keys(values), ops.not_equal(source, 0)
        embedded = self.target_embedding(before)
        states = self.decoder(embedded, initial_state=self.bridge(state))
        return self.logits(states)


def set_weights(model: Translator, given: dict[str, np.ndarray]) -> None:
    """The same weights; the decoder kernel is stacked for the input ``[embedding, context]``."""

    def under(path: str, *names: str) -> list[np.ndarray]:
        return [given[f"{path}.{name}"] for name in names]

    kernel = np.concatenate(under("decoder", "kernel", "context_kernel"))
    rest = under("decoder", "recurrent_kernel", "bias")
    model.source_embedding.set_weights(under("encoder.embed", "embeddings"))
    model.encoder.set_weights(under("encoder.forwards", "kernel", "recurrent_kernel", "bias"))
    model.bridge.set_weights(under("encoder.bridge", "kernel", "bias"))
    model.target_embedding.set_weights(under("decoder.embed", "embeddings"))
    model.keys.set_weights(under("decoder.attention.W2", "kernel", "bias"))
    model.cell.query.set_weights(under("decoder.attention.W1", "kernel"))
    model.cell.score.set_weights(under("decoder.attention.V", "kernel"))
    model.cell.gru.set_weights([kernel, *rest])
    model.logits.set_weights(under("decoder.output", "kernel", "bias"))


def compiled(problem: Problem) -> Translator:
    model = Translator(problem)
    source, before, _ = problem.rows
    model([keras.Input(batch_shape=rows.shape, dtype="int32") for rows in (source, before)])
    set_weights(model, problem.weights)
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def step(problem: Problem) -> Callable[[], Any]:
    model = compiled(problem)
    source, before, labels = problem.rows
    return lambda: model.train_on_batch([source, before], labels)


def first_step(problem: Problem) -> Callable[[], Any]:
    return lambda: step(problem)()
