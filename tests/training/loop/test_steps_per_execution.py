"""How many steps run as one program; what they come to does not depend on it."""

import numpy as np
import pytest

import lamina
from lamina import Sequential, layers
from lamina.errors import InputError
from lamina.training import Callback

pytestmark = pytest.mark.as_users_run

X = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")


class Steps(Callback):
    def __init__(self):
        self.done = []

    def on_progress(self, step, logs=None):
        self.done.append(step)


def fitted(steps):
    lamina.set_seed(0)
    model, heard = Sequential([layers.Dense(2)]), Steps()
    model.compile("sgd", "mse", steps_per_execution=steps)
    model.fit(X, X[:, :2], 5, verbose=0, callbacks=[heard])
    return heard.done, np.asarray(model.layers[0].kernel)


def test_a_number_of_steps_runs_at_once():
    done, five = fitted(5)
    assert done == [5, 10, 12]
    live, auto = fitted("auto")
    assert live[-1] == 12 and live == sorted(set(live))
    np.testing.assert_array_equal(five, auto)


@pytest.mark.parametrize("steps", [0, True, 2.5, "some"])
def test_what_is_no_number_of_steps_is_told(steps):
    with pytest.raises(InputError, match="steps_per_execution is neither"):
        fitted(steps)
