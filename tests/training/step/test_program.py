"""Steps without compilation, and metrics that keep their state from epoch to epoch."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras
import numpy as np

import lamina
from lamina import layers
from lamina.compat import tf

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3)).astype("float32")
Y = RNG.normal(size=(12, 2)).astype("float32")


class Listening(lamina.Layer):
    """The identity, which counts the calls with arrays and not tracers."""

    def __init__(self):
        super().__init__()
        self.concrete = []

    def call(self, x):
        if not isinstance(x, jax.core.Tracer):
            self.concrete.append(x.shape)
        return x


def test_without_compilation_layers_see_the_arrays_of_each_step():
    for options in ({"jit": False}, {"run_eagerly": True}, {"jit_compile": False}):
        model = lamina.Sequential([Listening(), layers.Dense(2)])
        model.compile("sgd", "mse", **options)
        seen = model.layers[0].concrete
        model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
        assert seen == [(4, 3)] * 6
        model.evaluate(X, Y, batch_size=4)
        assert seen == [(4, 3)] * 9


def test_steps_are_the_same_without_compilation():
    found = []
    for jit in (True, False):
        lamina.set_seed(0)
        model = lamina.Sequential([layers.Dense(2), layers.Dropout(0.5)])
        model.compile("adam", "mse", ["mae"], jit=jit)
        history = model.fit(X, Y, batch_size=4, epochs=2, verbose=0).history
        found.append([*history["loss"], *history["mae"], *model.evaluate(X, Y, batch_size=4)])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def lasting(base):
    class Lasting(base):
        """A metric over all epochs."""

        def __init__(self):
            super().__init__(name="lasting")

        def reset_state(self):
            pass

    return Lasting()


def test_a_metric_whose_reset_state_does_nothing_counts_all_epochs():
    ours = lamina.Sequential([lamina.Input((3,)), layers.Dense(2)])
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    theirs.set_weights(ours.get_weights())
    histories = []
    for model, kit in ((ours, tf.keras), (theirs, keras)):
        model.compile("sgd", "mse", metrics=[lasting(kit.metrics.MeanSquaredError), "mae"])
        histories.append(model.fit(X, Y, epochs=3, batch_size=4, shuffle=False, verbose=0).history)
    for name in ("lasting", "mae", "loss"):
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-5)
    means = np.cumsum(histories[0]["loss"]) / [1, 2, 3]
    np.testing.assert_allclose(histories[0]["lasting"], means, rtol=1e-5)
