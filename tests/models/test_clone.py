"""Clones of models with changed layers and calls."""

import jax
import numpy as np
import pytest

from lamina import Input, Model, Sequential, layers
from lamina.errors import InputError
from lamina.models import clone_model

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def graph():
    x = Input((4,), name="x")
    shared = layers.Dense(4, name="shared")
    inner = Sequential([layers.Dense(4, "relu")], name="inner")
    return Model({"x": x}, {"y": layers.Dense(2, name="head")(inner(shared(shared(x))))})


def row():
    inner = Sequential([layers.Dense(4, "relu")], name="inner")
    return Sequential([Input((4,)), layers.Dense(4), inner], name="row")


def fed(model):
    return {"x": X} if isinstance(model.input, dict) else X


@pytest.mark.parametrize("make", [graph, row])
@pytest.mark.parametrize("recursive", [False, True])
def test_each_layer_is_made_by_the_clone_function(make, recursive):
    seen = []

    def changed(layer):
        seen.append(type(layer).__name__)
        return type(layer).from_config(layer.get_config())

    model = make()
    twin = clone_model(model, clone_function=changed, recursive=recursive)
    assert type(twin) is type(model) and twin.name == model.name
    assert ("Sequential" in seen) is not recursive
    assert seen.count("Dense") == (2 if make is graph else 1) + recursive
    twin.set_weights(model.get_weights())
    jax.tree.map(np.testing.assert_array_equal, twin(fed(twin)), model(fed(model)))


def test_the_call_function_may_add_layers():
    def with_noise(layer, *args, **kwargs):
        outputs = layer(*args, **kwargs)
        return layers.Dropout(0.5)(outputs) if isinstance(layer, layers.Dense) else outputs

    model = graph()
    twin = clone_model(model, clone_function=lambda layer: layer, call_function=with_noise)
    assert sum(isinstance(layer, layers.Dropout) for layer in twin.layers) == 3
    np.testing.assert_array_equal(twin({"x": X})["y"], model({"x": X})["y"])
    assert twin.get_layer("shared") is model.get_layer("shared")


@pytest.mark.parametrize("make", [graph, row])
def test_a_clone_may_begin_with_given_inputs(make):
    model = make()
    symbols = jax.tree.map(lambda _: Input((4,), name="x"), model.input)
    twin = clone_model(model, input_tensors=symbols)
    twin.set_weights(model.get_weights())
    jax.tree.map(np.testing.assert_array_equal, twin(fed(twin)), model(fed(model)))


def test_what_cannot_be_cloned_layer_by_layer_is_refused():
    class Own(Model):
        def call(self, x):
            return x

    with pytest.raises(InputError, match="layer by layer"):
        clone_model(Own(), clone_function=lambda layer: layer)
    with pytest.raises(InputError, match="must have the same structure"):
        clone_model(graph(), input_tensors=(Input((4,)), Input((4,))))


def test_a_clone_is_compiled_as_the_model():
    x = Input((3,))
    stack = Sequential([Input((3,)), layers.Dense(1)])
    for model in (stack, Model(x, layers.Dense(1)(x))):
        assert not clone_model(model).compiled
        model.compile("adam", "mse", ["mae"], learning_rate=0.5)
        for clone in (clone_model(model), clone_model(model, clone_function=lambda one: one)):
            assert clone.compiled
            assert clone.optimizer.learning_rate == 0.5
            history = clone.fit(np.ones((2, 3)), np.ones((2, 1)), verbose=0).history
            assert set(history) == {"loss", "mae"}
        assert clone_model(clone_model(model)).compiled


def test_layers_at_all_levels_are_cloned():
    inner = Sequential([Input((3,)), layers.Dense(3)])
    x = Input((3,))
    model = Model(x, Model(x, inner(x))(x))
    made = []

    def make(layer):
        made.append(type(layer).__name__)
        return type(layer).from_config(layer.get_config())

    clone = clone_model(model, clone_function=make, recursive=True)
    assert made == ["Dense"]
    kinds = [type(layer).__name__ for layer in clone._flatten_layers()]
    assert kinds == [
        "Functional",
        "InputLayer",
        "Functional",
        "InputLayer",
        "Sequential",
        "Dense",
    ]
