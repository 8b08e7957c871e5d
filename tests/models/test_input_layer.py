"""Inputs of graphs: optional ones, other structures of inputs, and inputs as layers."""

import copy
import warnings

import jax
import numpy as np
import pytest

import lamina
from lamina import Input, Model, Sequential, layers
from lamina.compat import tf
from lamina.errors import InputError
from lamina.models import Functional, InputLayer, clone_model

X = np.arange(6, dtype="float32").reshape(3, 2)
Y = np.ones((3, 1), "float32")


class Sum(lamina.Layer):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1, kernel_initializer="ones")

    def call(self, x, y=None):
        return self.dense(x if y is None else x + y)


def with_optional(form=dict):
    x, y = Input((2,), name="x"), Input((2,), name="y", optional=True)
    return Model({"x": x, "y": y} if form is dict else [x, y], Sum()(x, y))


def test_an_optional_input_may_be_none_in_every_way_of_running():
    model = with_optional()
    given, expected = {"x": X, "y": None}, X.sum(1, keepdims=True)
    runs = [
        model(given),
        lamina.jit(model)(given),
        model.apply(model.values(), given)[0],
        model.predict(given),
        with_optional(list)([X, None]),
        with_optional(list)(X, None),
    ]
    for found in runs:
        np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(model({"x": X, "y": X}), 2 * expected)
    model.compile("sgd", "mse")
    loss = model.evaluate(given, Y, verbose=0)
    assert model.train_on_batch(given, Y) == pytest.approx(loss)
    assert model.fit(given, Y, verbose=0).history["loss"][0] < loss
    history = model.fit(lambda: iter([(given, Y)] * 2), verbose=0, epochs=2).history
    assert len(history["loss"]) == 2


def test_copies_know_what_is_optional(tmp_path):
    model = with_optional()
    model.save(tmp_path / "model.safetensors")
    copies = [
        copy.deepcopy(model),
        Functional.from_config(model.get_config(), {"Sum": Sum}),
        lamina.load(tmp_path / "model.safetensors", custom_objects={"Sum": Sum}),
        clone_model(model),
        clone_model(model, clone_function=lambda layer: layer),
    ]
    for one in copies:
        assert [layer.optional for layer in one.layers[:2]] == [False, True]
        np.testing.assert_allclose(one({"x": X, "y": None}), X.sum(1, keepdims=True))
    a, b = Input((2,)), Input((2,), optional=True)
    assert Model([a, b], model({"x": a, "y": b}))([X, None]).shape == (3, 1)


def test_a_required_input_may_not_be_none():
    model = with_optional()
    for given in ({"x": None, "y": X}, {"x": None, "y": None}):
        with pytest.raises(InputError, match="'x' is not optional"):
            model(given)
    model.compile("sgd", "mse")
    with pytest.raises(InputError, match="not optional"):
        model.fit({"x": None, "y": X}, Y, verbose=0)


def test_another_structure_of_inputs_warns_once():
    a, b = Input((2,), name="a"), Input((2,), name="b")
    model = Model({"a": a, "b": b}, a - 2 * b)
    with pytest.warns(UserWarning, match="The structure of `inputs` doesn't match") as caught:
        np.testing.assert_allclose(model([X, X]), -X)
        model([X, X])
        model({"a": X, "b": X, "c": X})
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="structure of `inputs`"):
        np.testing.assert_allclose(copy.deepcopy(model)({"a": X, "b": X, "c": X}), -X)
    for order in ({"b": b, "a": a}, {"z": a, "b": b}):
        with pytest.raises(InputError, match="without names"):
            Model(order, a - b)([X, X])


def test_dicts_and_lists_of_the_declared_structure_do_not_warn():
    a, b = Input((2,), name="a"), Input((2,), name="b")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Model({"a": a, "b": b}, a - b)({"a": X, "b": X})
        Model([a, b], a - b)((X, X))
        Model([a, b], a - b)({"a": X, "b": X, "c": X})


@pytest.mark.parametrize(
    ("dtype", "given", "expected"),
    [
        ("float16", "float32", "float16"),
        ("bfloat16", "float32", "bfloat16"),
        ("float32", "int32", "float32"),
        ("float32", "float16", "float32"),
        ("int32", "uint8", "int32"),
        ("int32", "float32", "float32"),
        ("uint8", "int32", "int32"),
    ],
)
def test_arrays_get_the_dtype_of_their_input(dtype, given, expected):
    x = Input((2,), dtype=dtype)
    for model in (Model(x, x + x), Sequential([x, layers.Lambda(lambda inputs: inputs + inputs)])):
        assert model(X.astype(given)).dtype == expected


def test_an_input_may_be_given():
    x = Input((3,), name="x")
    for options in ({}, {"shape": (3,)}, {"batch_shape": (None, 3)}, {"dtype": "float32"}):
        assert Input(tensor=x, **options) is x
    hidden = layers.Dense(4)(x)
    assert Model(Input(tensor=hidden), layers.Dense(1)(hidden)).input_shape == (None, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either shape or batch_shape"),
        ({"shape": (3,), "batch_shape": (None, 3)}, "either shape or batch_shape"),
        ({"batch_size": 2, "batch_shape": (None, 3)}, "either shape or batch_shape"),
        ({"shape": (3,), "sparse": True}, "a dense array"),
        ({"shape": (3,), "ragged": True}, "a dense array"),
        ({"tensor": 3}, "does not match"),
        ({"tensor": Input((3,)), "shape": (4,)}, "does not match"),
        ({"tensor": Input((3,)), "batch_size": 4}, "does not match"),
        ({"tensor": Input((3,)), "batch_shape": (2, 3)}, "does not match"),
        ({"tensor": Input((3,)), "dtype": "int32"}, "does not match"),
    ],
)
def test_arguments_of_an_input_that_do_not_fit_are_errors(options, message):
    with pytest.raises(InputError, match=message):
        Input(**options)
    options = {("input_tensor" if key == "tensor" else key): v for key, v in options.items()}
    with pytest.raises(InputError, match=message):
        InputLayer(**options)


def test_the_inputs_of_a_graph_are_input_layers():
    ids = InputLayer((4,), dtype="int32", name="ids")
    model = Model(ids.output, layers.Embedding(5, 2)(ids.output))
    assert [isinstance(layer, InputLayer) for layer in model.layers] == [True, False]
    first = model.layers[0]
    assert (first.name, first.dtype, first.batch_shape) == ("ids", "int32", (None, 4))
    assert (first.output, first.built, first.weights) == (model.input, True, [])
    assert first.get_config() == ids.get_config()
    again = InputLayer.from_config(first.get_config())
    assert (again.batch_shape, again.name, again.optional) == ((None, 4), "ids", False)
    assert InputLayer(input_shape=(4,)).batch_shape == (None, 4)
    assert InputLayer(batch_input_shape=(2, 4)).batch_shape == (2, 4)
    assert tf.keras.layers.InputLayer is InputLayer


def test_the_layers_of_a_graph_leave_operators_out():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    model = Model([a, b], layers.Dense(2, name="last")(a + b))
    assert [layer.name for layer in model.layers] == ["a", "b", "last"]
    assert [one.name for one in model.operations] == ["a", "b", "add", "last"]
    assert model.get_layer(index=2) is model.last
    np.testing.assert_allclose(
        model([np.ones((1, 3)), np.ones((1, 3))]), model.last(np.full((1, 3), 2.0)), rtol=1e-5
    )


def test_an_input_layer_begins_a_sequential():
    first = InputLayer((2,), name="given")
    listed = Sequential([first, layers.Dense(3)])
    added = Sequential()
    added.add(InputLayer(batch_shape=(None, 2)))
    added.add(layers.Dense(3))
    for model in (listed, added):
        assert model.built
        assert [type(layer).__name__ for layer in model.layers] == ["Dense"]
        assert model.input_shape == (None, 2)
        for other in (Input((2,)), InputLayer((2,))):
            with pytest.raises(InputError, match="its only Input"):
                model.add(other)
    assert listed.inputs == [first.output]


def test_a_sequential_keeps_its_input():
    x = Input((2,))
    model = Sequential([x])
    model.add(layers.Dense(4))
    assert model.inputs == [x]
    assert model.outputs == [model.layers[-1].output]
    assert jax.tree.leaves(model.output_shape) == [4]


def test_layers_of_a_model_are_not_assigned():
    x = Input((2,))
    for model in (Model(), Model(x, layers.Dense(1)(x)), Sequential([layers.Dense(1)])):
        with pytest.raises(AttributeError, match="reserved for the list of layers"):
            model.layers = [layers.Dense(4)]

    class Own(Model):
        def __init__(self):
            super().__init__()
            self.layers = [layers.Dense(4)]

        def call(self, inputs):
            return self.layers[0](inputs)

    assert list(Own()(X).shape) == [3, 4]


def test_a_sequential_without_layers_is_not_called():
    with pytest.raises(InputError, match="no layers"):
        Sequential()(X)
