"""The states of stateful layers: no weights, and started from the initial state of the cell."""

import copy
import pickle

import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import Layer, Sequential, layers

X = np.linspace(-1, 1, 8 * 5 * 3, dtype="float32").reshape(8, 5, 3)


def stateful(batch, kit=lamina):
    gru = kit.layers.GRU(4, stateful=True)
    return kit.Sequential([kit.Input(batch_shape=(batch, 5, 3)), gru, kit.layers.Dense(2)])


def test_states_are_variables_but_no_weights_as_in_keras():
    model, theirs = stateful(8), stateful(8, keras)
    assert [w.shape for w in model.get_weights()] == [w.shape for w in theirs.get_weights()]
    assert model.count_params() == theirs.count_params()
    assert len(model.weights) == len(theirs.weights) == 5
    assert not model.non_trainable_weights
    assert [v.shape for v in model.non_trainable_variables] == [(8, 4)]
    assert "layers.0.states.0" in model.values()
    model.set_weights(theirs.get_weights())
    for _ in range(2):
        np.testing.assert_allclose(model(X), theirs(X), rtol=1e-5, atol=1e-6)
    model.set_weights(theirs.get_weights())  # the state stays
    np.testing.assert_allclose(model(X), theirs(X), rtol=1e-5, atol=1e-6)


LAYERS = {
    "gru": lambda: layers.GRU(4, stateful=True),
    "lstm": lambda: layers.LSTM(4, stateful=True),
    "simple": lambda: layers.SimpleRNN(4, stateful=True),
    "bidirectional": lambda: layers.Bidirectional(layers.LSTM(4, stateful=True)),
    "cells": lambda: layers.RNN([layers.LSTMCell(4), layers.GRUCell(2)], stateful=True),
    "learnt": lambda: layers.RNN(Learnt(), stateful=True),
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_file_of_batch_8_loads_at_batch_1(make, tmp_path):
    model = Sequential([make(), layers.Dense(2)])
    first = np.asarray(model(X))
    model.save_weights(tmp_path / "weights.safetensors")
    one = Sequential([make(), layers.Dense(2)])
    one.build((1, 5, 3))
    one.load_weights(tmp_path / "weights.safetensors")
    np.testing.assert_allclose(one(X[:1]), first[:1], rtol=1e-5, atol=1e-6)
    unbuilt = Sequential([make(), layers.Dense(2)])
    unbuilt.load_weights(tmp_path / "weights.safetensors")
    np.testing.assert_array_equal(unbuilt(X), first)


@pytest.mark.parametrize("make", [LAYERS["gru"], LAYERS["bidirectional"], LAYERS["cells"]])
def test_a_loaded_model_starts_afresh_and_a_copy_goes_on(make, tmp_path):
    model = Sequential([make(), layers.Dense(2)])
    first = np.asarray(model(X))
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(lamina.load(tmp_path / "model.safetensors")(X), first)
    twins = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    second = model(X)
    for twin in twins:
        np.testing.assert_array_equal(twin(X), second)


class Learnt(Layer):
    """A cell that starts from a weight."""

    state_size = 2

    def build(self, input_shape):
        self.start = self.add_weight((2,), "ones")

    def get_initial_state(self, batch_size):
        return [jnp.broadcast_to(5 * self.start, (batch_size, 2))]

    def call(self, inputs, states):
        return states[0] + 1, [states[0] + 1]


def test_a_cell_that_learns_its_initial_state():
    model = Sequential([layers.RNN(Learnt(), stateful=True)])
    assert model(X)[0].tolist() == [10, 10]
    assert model(X)[0].tolist() == [15, 15]
    model.layers[0].reset_states()
    forward = lamina.jit(model)
    assert forward(X)[0].tolist() == [10, 10]
    assert forward(X)[0].tolist() == [15, 15]
    model.layers[0].reset_states()
    outputs, values = model.apply(model.values(), X)
    assert outputs[0].tolist() == model.apply(model.values(), X)[0][0].tolist() == [10, 10]
    assert model.apply(values, X)[0][0].tolist() == [15, 15]
    model.compile("sgd", "mse")
    before = np.array(model.layers[0].cell.start)
    model.fit(X, np.zeros((8, 2)), batch_size=8, epochs=1, verbose=0)
    assert not np.array_equal(model.layers[0].cell.start, before)
    free = Sequential([layers.RNN(Learnt())])
    assert free(X)[0].tolist() == [10, 10]


def test_a_checkpoint_keeps_the_states(tmp_path):
    model, again = stateful(8), stateful(8)
    trainer = lamina.Trainer(model, "sgd", "mse")
    batch = (X, np.ones((8, 2), "float32"))
    for _ in range(2):
        trainer.step(batch)
    trainer.save(tmp_path)
    restored = lamina.Trainer.restore(tmp_path, again, "sgd", "mse")
    assert float(restored.step(batch)["loss"]) == float(trainer.step(batch)["loss"])
    np.testing.assert_array_equal(again.layers[0].states[0], model.layers[0].states[0])
