"""The first 100 losses of three kinds of network are Keras's: same weights, data and optimizer.

They agree to one part in ten thousand: both sum in float32, in other orders, and each step passes
on what the one before rounded off.
"""

import keras
import numpy as np
import pytest

import lamina
from lamina import Sequential, layers

pytestmark = pytest.mark.as_users_run

RANDOM = np.random.default_rng(0)
STEPS, BATCHES, SIZE = 100, 10, 8


def mlp(kit, **start):
    return [
        kit.Dense(12, activation="relu", **start),
        kit.Dense(8, activation="tanh", **start),
        kit.Dense(3, **start),
    ]


def conv_net(kit, **start):
    return [
        kit.Conv2D(4, 3, padding="same", activation="relu", **start),
        kit.MaxPooling2D(2),
        kit.Flatten(),
        kit.Dense(3, **start),
    ]


def lstm(kit, **start):
    recurrent = {"recurrent_initializer": "zeros"} if start else {}
    return [kit.LSTM(6, **start, **recurrent), kit.Dense(3, **start)]


@pytest.mark.parametrize(
    ("parts", "shape", "optimizer"),
    [(mlp, (5,), "adam"), (conv_net, (6, 6, 2), "rmsprop"), (lstm, (4, 3), "adam")],
    ids=["mlp", "conv net", "lstm"],
)
def test_the_first_hundred_losses_are_those_of_keras(parts, shape, optimizer):
    lamina.set_seed(0)
    ours = Sequential(parts(layers))
    theirs = keras.Sequential(parts(keras.layers, kernel_initializer="zeros"))
    ours.build((None, *shape))
    theirs.build((None, *shape))
    theirs.set_weights([np.asarray(value) for value in ours.values().values()])
    x = RANDOM.normal(size=(BATCHES, SIZE, *shape)).astype("float32")
    y = RANDOM.integers(0, 3, (BATCHES, SIZE))
    found = []
    for model, kit in ((ours, lamina), (theirs, keras)):
        model.compile(optimizer, kit.losses.SparseCategoricalCrossentropy(from_logits=True))
        told = []
        for step in range(STEPS):
            if model is theirs:
                theirs.reset_metrics()
            told.append(float(model.train_on_batch(x[step % BATCHES], y[step % BATCHES])))
        found.append(told)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)
    assert np.mean(found[0][-BATCHES:]) < np.mean(found[0][:BATCHES])
