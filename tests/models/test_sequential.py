"""Sequential: layers in a row, and masks passed along it."""

import copy
import pickle

import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Input, Layer, Sequential, layers
from lamina.errors import InputError
from lamina.models import clone_model
from tests.close import assert_close


def test_a_mask_reaches_the_layer_that_takes_it():
    lamina.set_seed(0)
    model = Sequential([layers.Embedding(9, 4, mask_zero=True), layers.Dropout(0.1), layers.GRU(3)])
    padded = jnp.array([[5, 2, 0, 0], [1, 2, 3, 4]])
    outputs = model(padded)
    np.testing.assert_allclose(outputs[:1], model(padded[:1, :2]), atol=1e-6)
    without = Sequential(model.layers[1:])
    assert not np.allclose(without(model.layers[0](padded))[0], outputs[0])


def test_layers_are_added_taken_and_sliced():
    model = Sequential([layers.Dense(4)])
    x = jnp.ones((2, 3))
    model(x)
    kernel = model.values()["layers.0.kernel"]
    model.add(layers.Dense(2))
    assert model(x).shape == (2, 2) and len(model) == 2
    np.testing.assert_array_equal(model.values()["layers.0.kernel"], kernel)
    assert model[:1](x).shape == (2, 4) and model[1] is model.layers[1]
    model.pop()
    assert model(x).shape == (2, 4)


def test_a_row_that_was_changed_is_saved_as_it_stands(tmp_path):
    model = Sequential(layers=[layers.Dense(4), layers.Dense(9)], name="row")
    model.pop()
    model.add(layers.Dense(2))
    x = jnp.ones((1, 3))
    expected = model(x)
    model.save(tmp_path / "row.safetensors")
    again = lamina.load(tmp_path / "row.safetensors")
    np.testing.assert_array_equal(again(x), expected)
    assert again.name == "row"


def test_nested_rows_are_one_tree():
    model = Sequential([Sequential([layers.Dense(4)]), layers.Dense(2)])
    model.build((None, 3))
    assert next(iter(model.values())) == "layers.0.layers.0.kernel"


def test_something_else_in_the_row_is_refused():
    with pytest.raises(InputError, match="layers only"):
        Sequential([lambda x: x])


@pytest.mark.parametrize("how", ["input_shape", "input_dim", "add"])
def test_the_first_layer_may_say_what_the_row_begins_with(how, tmp_path):
    given = {"input_dim": 4} if how == "input_dim" else {"input_shape": (4,)}
    first, x = layers.Dense(3, **given), jnp.ones((2, 4))
    model = Sequential() if how == "add" else Sequential([first, layers.Dense(2)])
    if how == "add":
        model.add(first)
        model.add(layers.Dense(2))
    assert model.built and model.count_params() == 23
    model.save(tmp_path / "model.lamina")
    np.testing.assert_allclose(lamina.load(tmp_path / "model.lamina")(x), model(x), rtol=1e-5)
    assert not layers.Dense(3, **given).built  # alone it says nothing


def test_a_batch_is_judged_and_asked_by_itself():
    lamina.set_seed(0)
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", "mse", ["mae"])
    x, y = np.ones((4, 3), "float32"), np.zeros((4, 1), "float32")
    before = model.test_on_batch(x, y)
    assert before == model.test_on_batch(x, y) == model.evaluate(x, y, verbose=0)
    assert model.test_on_batch(x, y, return_dict=True) == dict(
        zip(["loss", "mae"], before, strict=True)
    )
    outputs = model.predict_on_batch(x)
    assert type(outputs) is np.ndarray
    assert_close(outputs, model(x), rtol=1e-6)


class Doubled(Layer):
    def call(self, inputs):
        return inputs + inputs


def test_the_input_of_a_stack_stays_with_it(tmp_path):
    model = Sequential([Input((2,)), Doubled()], True, "row")
    model.save(tmp_path / "model.lamina")
    given = np.full((1, 2), 200, "uint8")  # twice 200 is 144 in eight bits
    for twin in (
        copy.copy(model),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        lamina.load(tmp_path / "model.lamina"),
        Sequential.from_config(model.get_config()),
        clone_model(model),
    ):
        assert twin(given).tolist() == [[400, 400]]
        assert twin.input.shape == (None, 2) and twin.name == "row"


class Row(Sequential):
    """A stack of a class without a constructor."""


def test_a_stack_of_a_class_of_ones_own_is_saved_with_its_input(tmp_path):
    model = Row([Input((3,)), layers.Dense(2)])
    model.add(layers.Dense(1))
    model.save(tmp_path / "model.lamina")
    twin = lamina.load(tmp_path / "model.lamina")
    assert type(twin) is Row and twin.start == model.start
    np.testing.assert_array_equal(twin(np.ones((1, 3))), model(np.ones((1, 3))))
    again = Row.from_config(model.get_config())
    assert again.built and again.layers[0] is not model.layers[0]
