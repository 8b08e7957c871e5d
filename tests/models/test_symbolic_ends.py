"""Models as graphs of layers: where they begin and end, and what their layers gave."""

import copy
import pickle
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Input, Layer, Model, Sequential, layers

X = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")


def row(*first):
    return Sequential([*first, layers.Dense(4), layers.Dense(3, name="mid"), layers.Dense(2)])


def test_a_sequential_gives_the_outputs_of_its_layers():
    model = row(Input((8,)))
    every = Model(inputs=model.inputs, outputs=[layer.output for layer in model.layers])
    outputs = every(X)
    assert [output.shape for output in outputs] == [(5, 4), (5, 3), (5, 2)]
    np.testing.assert_array_equal(outputs[-1], model(X))
    middle = Model(model.inputs, model.get_layer("mid").output)
    np.testing.assert_array_equal(middle(X), outputs[1])
    assert middle.get_layer("mid") is model.get_layer("mid")


def test_a_sequential_that_a_call_built_takes_batches_of_any_size():
    model = row()
    with pytest.raises(AttributeError, match="Put an Input first, or build it"):
        model.inputs  # noqa: B018
    model(X)
    assert model.input.shape == (None, 8) and model.output.shape == (None, 2)
    assert Model(model.input, model.output)(X[:3]).shape == (3, 2)


def test_a_layer_that_is_added_makes_the_ends_anew():
    model = row(Input((8,)))
    before = model.output
    assert model.output is before
    model.add(layers.Dense(7))
    assert model.output.shape == (None, 7)
    assert model.layers[0].output.shape == (None, 4)


def test_a_layer_of_a_graph_knows_its_input_and_output():
    x, y = Input((8,)), Input((8,))
    hidden = layers.Dense(5, name="hidden")
    both = layers.Concatenate()
    model = Model([x, y], layers.Dense(2)(both([hidden(x), y])))
    assert hidden.input is x
    assert [part.shape for part in both.input] == [(None, 5), (None, 8)]
    np.testing.assert_array_equal(Model(x, model.get_layer("hidden").output)(X), hidden(X))


def test_several_inputs_by_position_are_a_list():
    query, value = Input((3, 8)), Input((4, 8))
    attention = layers.MultiHeadAttention(2, 4)
    attended = attention(query, value)
    assert attention.input == [query, value] and attention.output is attended


def test_a_layer_called_twice_or_never_is_told():
    layer = layers.Dense(8)
    with pytest.raises(AttributeError, match="received: 0 calls"):
        layer.output  # noqa: B018
    layer(layer(Input((8,))))
    with pytest.raises(AttributeError, match="Keep the outputs of each call"):
        layer.output  # noqa: B018


@pytest.mark.parametrize("of", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_has_a_graph_of_its_own(of):
    x = Input((8,))
    model = Model(x, layers.Dense(2)(layers.Dense(5, name="hidden")(x)))
    twin = of(model)
    assert twin.input is not x
    hidden = Model(twin.input, twin.get_layer("hidden").output)
    np.testing.assert_array_equal(hidden(X), Model(x, model.get_layer("hidden").output)(X))
    assert hidden.get_layer("hidden") is not model.get_layer("hidden")


def test_a_model_from_a_file_goes_on(tmp_path):
    model = row(Input((8,)))
    model.save(tmp_path / "row.safetensors")
    loaded = lamina.load(tmp_path / "row.safetensors")
    middle = Model(loaded.inputs, loaded.get_layer("mid").output)
    np.testing.assert_array_equal(middle(X), Model(model.inputs, model.layers[1].output)(X))


def test_attributes_and_fields_of_the_names_are_the_users():
    class Net(Layer):
        def __init__(self):
            super().__init__()
            self.input, self.output = layers.Dense(3), layers.Dense(2)

        def call(self, x):
            return self.output(self.input(x))

    @dataclass(eq=False)
    class Row(Layer):
        layers: list
        output: Layer

        def call(self, x):
            for layer in self.layers:
                x = layer(x)
            return self.output(x)

    assert Net()(X).shape == (5, 2)
    model = Row([layers.Dense(3)], layers.Dense(2))
    assert model(jnp.asarray(X)).shape == (5, 2)
    assert sorted(model.values())[0] == "layers.0.bias"
    with pytest.raises(TypeError, match="'layers' and 'output'"):
        Row()


def test_the_weights_of_a_layer_called_on_an_input_can_be_used_before_the_model():
    layer, other = layers.Dense(3), layers.Dense(3)
    outputs = layer(Input((8,)))
    assert layer.built and not other.built
    assert layer._lamina.built is None  # nothing is drawn until it is read
    kernel, bias = layer.get_weights()
    assert kernel.shape == (8, 3) and layer.count_params() == 27
    layer.set_weights([2 * kernel, bias + 1])
    np.testing.assert_allclose(layer(X), X @ (2 * kernel) + 1, atol=1e-5)
    model = Model(outputs.call.args[0], outputs)
    np.testing.assert_array_equal(model(X), layer(X))


def test_the_weights_of_a_layer_of_several_inputs_can_be_read_before_the_model():
    class Pair(Layer):
        def __init__(self):
            super().__init__()
            self.left, self.right = layers.Dense(2), layers.BatchNormalization()

        def call(self, left, right=None):
            return self.left(left) + self.right(right)

    pair = Pair()
    outputs = pair(Input((4,)), right=Input((2,)))
    assert outputs.shape == (None, 2)
    assert len(pair.trainable_variables) == 4 and len(pair.non_trainable_weights) == 2
    assert list(pair.values()) == [
        "left.kernel",
        "left.bias",
        "right.gamma",
        "right.beta",
        "right.moving_mean",
        "right.moving_variance",
    ]
