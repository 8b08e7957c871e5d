"""Optimizers with an update of their own, against Keras."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import copy
import pickle

import keras
import numpy as np
import pytest

from lamina.compat import keras as ours
from lamina.errors import InputError

X = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def slowing(library):
    """A class of optimizers with two arrays for each variable, of either library."""

    class Slowing(library.optimizers.Optimizer):
        def __init__(self, learning_rate=0.1, momentum=0.9, name="slowing", **options):
            super().__init__(learning_rate=learning_rate, name=name, **options)
            self.momentum = momentum

        def build(self, variables):
            if self.built:
                return
            super().build(variables)
            self.means, self.squares = self.add_optimizer_variables(variables, ["mean", "square"])

        def update_step(self, gradient, variable, learning_rate):
            ops = library.ops
            rate = ops.cast(learning_rate, variable.dtype)
            step = ops.cast(self.iterations + 1, variable.dtype)
            index = self._get_variable_index(variable)
            mean, square = self.means[index], self.squares[index]
            self.assign(mean, self.momentum * mean + gradient)
            self.assign_add(square, ops.square(gradient))
            self.assign_sub(variable, rate * mean / step / (ops.sqrt(square) + 1.0))

        def get_config(self):
            return {**super().get_config(), "momentum": self.momentum}

    return Slowing


Slowing = slowing(ours)


def trained(library, kind, **options):
    inputs = library.Input((3,))
    model = library.Model(inputs, library.layers.Dense(1, kernel_initializer="ones")(inputs))
    optimizer = kind(0.05, **options)
    model.compile(optimizer, "mse")
    history = model.fit(X, Y, epochs=2, batch_size=8, shuffle=False, verbose=0)
    return history.history["loss"], np.array(model.get_weights()[0]), optimizer, model


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight_decay": 0.1, "clipnorm": 0.5},
        {"gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.9},
    ],
)
def test_an_update_of_ones_own_trains_as_in_keras(options):
    mine, theirs = trained(ours, Slowing, **options), trained(keras, slowing(keras), **options)
    np.testing.assert_allclose(mine[0], theirs[0], rtol=1e-5)
    if "use_ema" not in options:
        np.testing.assert_allclose(mine[1], theirs[1], rtol=1e-5)
    assert int(mine[2].iterations) == int(theirs[2].iterations)
    np.testing.assert_allclose(mine[2].squares[0], theirs[2].squares[0].numpy(), rtol=1e-5)


def test_configs_and_copies():
    _, _, optimizer, model = trained(ours, Slowing)
    optimizer.learning_rate = 0.25
    config = ours.optimizers.serialize(optimizer)
    again = ours.optimizers.deserialize(config, {"Slowing": Slowing})
    assert (again.momentum, float(again.learning_rate), again.built) == (0.9, 0.25, False)
    twin = copy.deepcopy(model)
    twin.fit(X, Y, batch_size=8, verbose=0)
    assert (twin.optimizer.iterations, optimizer.iterations) == (12, 8)
    assert twin.optimizer is not optimizer and twin.optimizer.momentum == 0.9


def test_a_method_that_nothing_calls_is_an_error():
    with pytest.raises(InputError, match=r"keras\.optimizers\.Optimizer"):

        class Wrong(ours.optimizers.Adam):
            def update_step(self, gradient, variable, learning_rate):
                pass

    class Right(ours.optimizers.Adam):
        pass

    assert isinstance(Right(), ours.optimizers.Adam)
    assert isinstance(pickle.loads(pickle.dumps(ours.optimizers.Adam(0.5))), ours.Optimizer)
    assert not isinstance(ours.optimizers.Adam(), Slowing)
