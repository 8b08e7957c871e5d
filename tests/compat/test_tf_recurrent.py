"""Recurrences under `tf.keras.layers`, as existing code writes them."""

import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina.compat import tf

NAMES = [
    "GRU", "GRUCell", "LSTM", "LSTMCell", "SimpleRNN", "SimpleRNNCell", "RNN", "StackedRNNCells",
    "Bidirectional", "TimeDistributed", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D",
]  # fmt: skip


class MinimalRNNCell(tf.keras.layers.Layer):
    def __init__(self, units, **kwargs):
        self.units = units
        super().__init__(**kwargs)

    @property
    def state_size(self):
        return self.units

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units), initializer="uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, self.units), initializer="uniform", name="recurrent_kernel"
        )
        self.built = True

    def call(self, inputs, states):
        h = tf.matmul(inputs, self.kernel)
        output = h + tf.matmul(states[0], self.recurrent_kernel)
        return output, [output]


@pytest.mark.parametrize("name", NAMES)
def test_they_are_laminas(name):
    assert getattr(tf.keras.layers, name) is getattr(lamina.layers, name)
    assert issubclass(getattr(tf.keras.layers, name), tf.keras.layers.Layer)


def test_a_cell_of_ones_own_in_a_stack():
    layer = tf.keras.layers.RNN([MinimalRNNCell(4), MinimalRNNCell(3)], return_sequences=True)
    x = tf.random.normal((2, 5, 6))
    outputs = layer(x)
    first, second = (cell.kernel.numpy() for cell in layer.cell.cells)
    np.testing.assert_allclose(outputs[:, 0], np.asarray(x)[:, 0] @ first @ second, atol=1e-5)
    assert len(layer.trainable_variables) == 4


def test_a_model_of_recurrences_trains():
    model = tf.keras.Sequential(
        [
            tf.keras.layers.TimeDistributed(tf.keras.layers.Dense(4)),
            tf.keras.layers.Bidirectional(tf.keras.layers.LSTM(4, return_sequences=True)),
            tf.keras.layers.GRU(4, dropout=0.1),
            tf.keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer=tf.keras.optimizers.Adam(0.05), loss="mse")
    x = np.random.default_rng(0).normal(size=(32, 5, 3)).astype("float32")
    history = model.fit(x, x.sum((1, 2))[:, None], epochs=15, verbose=0).history["loss"]
    assert history[-1] < history[0] / 2


def test_a_decoder_hands_its_states_on():
    lstm = tf.keras.layers.LSTM(4, return_sequences=True, return_state=True)
    x = tf.random.normal((2, 6, 3))
    whole, *_ = lstm(x)
    states = lstm.get_initial_state(batch_size=2)
    for t in range(6):
        output, *states = lstm(x[:, t : t + 1], initial_state=states)
        np.testing.assert_allclose(output[:, 0], whole[:, t], rtol=1e-5, atol=1e-6)
    kept = tf.keras.layers.SimpleRNN(4, stateful=True)
    once = kept(x)
    assert not np.allclose(kept(x), once)
    kept.reset_states()
    np.testing.assert_array_equal(kept(jnp.asarray(x)), once)
