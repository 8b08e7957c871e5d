"""Capturing: the outputs of layers by path are those that the call itself gives."""

import jax
import numpy as np
import pytest

from lamina import Layer, Model, Sequential, layers
from lamina.errors import InputError, TraceError, UnknownNameError
from tests.close import assert_close

X = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")


class Net(Model):
    def __init__(self):
        super().__init__()
        self.first, self.blocks = layers.Dense(4), [layers.Dense(4), layers.Dense(4)]
        self.drop, self.idle = layers.Dropout(0.5), layers.Dense(2)
        self.again = self.first

    def call(self, inputs):
        x = self.first(inputs)
        for block in self.blocks:
            x = self.blocks[0](block(x))
        return self.drop(x)


def test_outputs_are_those_of_the_layers():
    model = Net()
    found = model.capture(X, ["first", ""])
    assert list(found) == ["first", ""]
    np.testing.assert_array_equal(found["first"], model.first(X))
    np.testing.assert_array_equal(found[""], model(X))


def test_a_layer_called_several_times_gives_a_list_in_order():
    model = Net()
    found = model.capture(X, "blocks.*")
    zero, one = model.blocks
    first = zero(model.first(X))
    steps = [first, zero(first), zero(one(zero(first)))]
    assert len(found["blocks.0"]) == 3
    for value, expected in zip(found["blocks.0"], steps, strict=True):
        assert_close(value, expected, rtol=1e-6)
    assert_close(found["blocks.1"], one(zero(first)), rtol=1e-6)


def test_all_layers_by_default_aliases_by_their_own_path_and_modes():
    model = Net()
    assert set(model.capture(X)) == {"first", "blocks.0", "blocks.1", "drop", ""}
    assert list(model.capture(X, "again")) == ["first"]
    dropped = model.capture(X, "drop", training=True, rng=0)["drop"]
    assert (np.asarray(dropped) == 0).any() and (model.capture(X, "drop")["drop"] != 0).all()


def test_the_model_is_not_changed():
    model = Sequential([layers.BatchNormalization()])
    model(X)
    before = {path: np.asarray(value) for path, value in model.values().items()}
    model.capture(X, training=True)
    for path, value in model.values().items():
        np.testing.assert_array_equal(value, before[path])


def test_what_cannot_be_captured_is_told():
    model = Net()
    with pytest.raises(UnknownNameError, match="Did you mean 'first'"):
        model.capture(X, "frist")
    with pytest.raises(InputError, match="does not reach idle"):
        model.capture(X, ["first", "idle"])


class Looped(Layer):
    def __init__(self):
        self.inner = layers.Dense(3)

    def call(self, inputs):
        return jax.lax.scan(lambda x, _: (self.inner(x), None), inputs, length=2)[0]


def test_a_layer_in_a_loop_is_told_where_it_is_meant_alone():
    model = Sequential([Looped()])
    assert list(model.capture(X)) == ["layers.0", ""]
    with pytest.raises(TraceError, match=r"layers\.0\.inner \(Dense\)"):
        model.capture(X, "layers.0.inner")
