"""Layers made again from the arguments of their constructors."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from lamina import Input, Layer, Model, Sequential, initializers, layers
from lamina.compat import tf
from lamina.errors import InputError

X = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")


class Scaled(Layer):
    """As one writes it for Keras."""

    def __init__(self, factor, **options):
        super().__init__(**options)
        self.factor = factor
        self.inner = layers.Dense(2)

    def call(self, x):
        return self.factor * self.inner(x)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def test_a_config_has_what_was_given_and_the_defaults():
    config = layers.Dense(3, "relu", name="head").get_config()
    assert config["units"] == 3 and config["activation"] == "relu" and config["name"] == "head"
    assert config["use_bias"] is True and config["kernel_initializer"] == "glorot_uniform"


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dense(3, kernel_initializer=initializers.HeNormal(seed=1), bias_regularizer="l2"),
        layers.Bidirectional(layers.LSTM(3), merge_mode="sum"),
        layers.SimpleRNN(3, "relu"),
        layers.GRU(3, use_cudnn=False),
        layers.Lambda(jnp.abs),
        Scaled(3.0, name="scaled"),
        layers.MultiHeadAttention(2, 4),
    ],
)
def test_a_layer_is_made_again(layer):
    twin = type(layer).from_config(layer.get_config())
    assert type(twin) is type(layer) and twin is not layer
    assert [type(one) for one in twin.layers] == [type(one) for one in layer.layers]
    assert not any(one is other for one in twin.layers for other in layer.layers)
    mine, theirs = layer.get_config(), twin.get_config()
    plain = [name for name, value in mine.items() if not isinstance(value, Layer)]
    assert mine.keys() == theirs.keys()
    assert all(mine[name] == theirs[name] for name in plain)


def graph():
    x = Input((8,))
    twice = layers.Dense(8)
    return Model(x, twice(twice(x)) + 1)


def row():
    return Sequential([Input((8,)), layers.Dense(4), layers.Dense(2)])


def called():
    model = Scaled(2.0)
    model(X)
    return model


@pytest.mark.parametrize("made", [graph, row, called])
def test_a_clone_is_built_with_weights_of_its_own(made):
    model = made()
    twin = tf.keras.models.clone_model(model)
    assert twin.built and twin.values().keys() == model.values().keys()
    assert not np.array_equal(twin(X), model(X))
    twin.set_weights(model.get_weights())
    np.testing.assert_array_equal(twin(X), model(X))


def test_a_clone_of_what_is_not_built_is_not_built():
    assert not tf.keras.models.clone_model(Scaled(2.0)).built


def test_arguments_without_names_have_no_config():
    class Row(Layer):
        def __init__(self, *inner):
            super().__init__()
            self.inner = list(inner)

        def call(self, x):
            return jnp.asarray(x)

    with pytest.raises(InputError, match="Define get_config"):
        Row(layers.Dense(2)).get_config()


def frozen_whole():
    return Sequential([layers.Dense(2), layers.Dense(2)], trainable=False)


def frozen_inside():
    return Sequential([layers.Dense(2, trainable=False), layers.Dense(2)])


def thawed_inside():
    model = Sequential([Input((8,)), layers.Dense(2), layers.Dense(2)])
    model.trainable = False
    model.layers[-1].trainable = True
    return model


def frozen_in_a_graph():
    x = Input((8,))
    base = Sequential([layers.Dense(2), layers.Dense(2)], trainable=False)
    return Model(x, layers.Dense(1)(base(x)))


@pytest.mark.parametrize("make", [frozen_whole, frozen_inside, thawed_inside, frozen_in_a_graph])
def test_a_config_keeps_what_trains(make):
    model = make()
    twin = type(model).from_config(json.loads(json.dumps(model.get_config())))
    for one in (model, twin):
        outer = Sequential([one])
        outer(X)
        one.shapes = [variable.shape for variable in outer.trainable_variables]
    assert twin.shapes == model.shapes


def test_a_config_has_the_options_as_they_are_now():
    layer = layers.Dropout(0.5)
    layer.rate = 0.25
    assert layers.Dropout.from_config(layer.get_config()).rate == 0.25
