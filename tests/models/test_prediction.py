"""`predict` of models that draw random numbers in inference mode."""

import numpy as np

import lamina
from lamina import layers

X = np.ones((4, 50), "float32")


class Noisy(lamina.Model):
    def __init__(self):
        super().__init__()
        self.dropout = layers.Dropout(0.5)

    def call(self, x):
        return self.dropout(x, training=True)


def graph():
    x = lamina.Input((50,))
    return lamina.Model(x, layers.Dropout(0.5)(x, training=True))


def test_each_batch_and_each_call_has_its_own_random_numbers():
    for make in (Noisy, graph):
        model = make()
        first, second = model.predict(X, batch_size=2), model.predict(X, batch_size=2)
        for found in (first, second):
            assert set(np.unique(found)) == {0.0, 2.0}
            assert (found[:2] != found[2:]).any()
        assert (first != second).any()
        on_batch = model.predict_on_batch(X), model.predict_on_batch(X)
        assert (on_batch[0] != on_batch[1]).any()


def test_random_numbers_of_predictions_follow_from_the_seed_of_the_weights():
    found = []
    for _ in range(2):
        lamina.set_seed(3)
        model = lamina.Sequential([layers.Dense(50), Noisy()])
        found.append([model.predict(X), model.predict(X)])
    np.testing.assert_array_equal(found[0], found[1])
