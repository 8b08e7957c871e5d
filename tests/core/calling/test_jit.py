"""A compiled layer called from many threads at once, and while it learns."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

import lamina
from lamina import Layer, Sequential, Trainer, layers
from lamina.core.calling import jit as jit_module

pytestmark = pytest.mark.as_users_run

X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")


def model():
    lamina.set_seed(0)
    return Sequential([layers.Dense(8, activation="tanh"), layers.Dense(2)])


def test_threads_that_call_at_once_build_once_and_get_what_is_theirs():
    net, ready = model(), Barrier(8)
    fast = lamina.jit(net)

    def work(index):
        ready.wait()
        return [np.asarray(fast(X[: 1 + (index + step) % 3])) for step in range(20)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(8)))
    reference = model()
    expected = [np.asarray(reference(X[: 1 + rows])) for rows in range(3)]
    for index, outputs in enumerate(found):
        for step, output in enumerate(outputs):
            np.testing.assert_allclose(output, expected[(index + step) % 3], rtol=1e-5)


def test_threads_may_call_while_another_trains():
    net = model()
    trainer = Trainer(net, "sgd", "mse")
    fast, y = lamina.jit(net), np.zeros((6, 2), np.float32)
    trainer.step((X, y))

    def work(_):
        return [bool(np.isfinite(fast(X)).all()) for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        pending = [pool.submit(work, index) for index in range(4)]
        for _ in range(20):
            trainer.step((X, y))
        assert all(all(one.result()) for one in pending)
    np.testing.assert_allclose(fast(X), net(X), rtol=1e-5)


@pytest.mark.parametrize("value", [[1, 2], [], {}, (), layers.Dense(3), [layers.Dense(3)]])
def test_changes_of_other_trees_cost_no_walk(monkeypatch, value):
    model, other = Sequential([layers.Dense(8)]), layers.Identity()
    fast = lamina.jit(model)
    expected = fast(X)
    monkeypatch.setattr(jit_module, "Root", None)  # what a walk would begin with
    other.kept = value
    for _ in range(2):
        np.testing.assert_array_equal(fast(X), expected)


def test_a_change_of_an_attribute_that_held_a_layer_counts():
    class Net(Layer):
        def __init__(self):
            self.inner = layers.Dense(4)

        def call(self, inputs):
            return inputs if self.inner is None else self.inner(inputs)

    net = Net()
    fast = lamina.jit(net)
    assert fast(X).shape == (*X.shape[:-1], 4)
    net.inner = None
    np.testing.assert_array_equal(fast(X), X)
