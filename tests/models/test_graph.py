"""Functional models: graphs of layers on symbolic inputs."""

import copy
import pickle

import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import Input, Model, Sequential, layers
from lamina.errors import InputError, UnknownNameError
from tests.close import assert_close


def arrays(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def make():
    x = Input((4,))
    hidden = layers.Dense(3, "relu")(x)
    return x, hidden, Model(x, layers.Dense(2)(hidden) * 0.5 + hidden[:, :2])


def test_a_graph_is_built_when_made_and_computes_what_it_says():
    _, _, model = make()
    assert model.built
    assert list(model.values()) == ["dense.kernel", "dense.bias", "dense_1.kernel", "dense_1.bias"]
    x = arrays(5, 4)
    hidden = model.dense(x)
    assert_close(model(x), model.dense_1(hidden) * 0.5 + hidden[:, :2], rtol=1e-6)


def test_it_equals_keras():
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(3, "tanh")(inputs)
    theirs = keras.Model(inputs, [keras.layers.Dense(2)(hidden), hidden + 1.0])
    x = Input((4,))
    ours = layers.Dense(3, "tanh")(x)
    ours = Model(x, [layers.Dense(2)(ours), ours + 1.0])
    ours.set_values(dict(zip(ours.values(), theirs.get_weights(), strict=True)))
    given = arrays(5, 4)
    for one, other in zip(ours(given), theirs(given), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_values_within_a_graph_are_outputs_of_another_on_the_same_weights():
    x, hidden, model = make()
    middle = Model(x, hidden)
    given = arrays(2, 4)
    np.testing.assert_array_equal(middle(given), model.dense(given))
    assert middle.dense is model.dense


def test_several_inputs_come_by_position_in_a_list_or_by_name():
    a, b = Input((3,), name="a"), Input((4,))
    shared = layers.Dense(4)
    x, y = arrays(2, 3), arrays(2, 4)
    listed = Model([a, b], [shared(a) @ jnp.ones((4, 4)) - b, shared(a)])
    named = Model({"a": a, "b": b}, {"sum": 1 - (shared(a) + b)})
    for one, other in zip(listed(x, y), listed([x, y]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert_close(named({"b": y, "a": x})["sum"], 1 - (shared(x) + y), rtol=1e-6)
    assert list(listed.values()) == ["dense.kernel", "dense.bias"]


def test_a_model_is_a_layer_of_another_graph():
    x, _, inner = make()
    outer = Model(x, Sequential([layers.Dense(4)])(inner(layers.Dense(4)(x))))
    assert "functional.dense_1.bias" in outer.values()
    assert outer(arrays(2, 4)).shape == (2, 4)


def test_masks_are_passed_on():
    tokens = Input((None,), dtype="int32")
    embedded = layers.Embedding(9, 4, mask_zero=True)(tokens)
    model = Model(tokens, layers.GRU(3)(layers.Dropout(0.1)(embedded)))
    padded = model(np.array([[1, 2, 0, 0]], "int32"))
    assert_close(padded, model(np.array([[1, 2]], "int32")), rtol=1e-6)


def test_copies_and_files_compute_the_same(tmp_path):
    _, _, model = make()
    model.save(tmp_path / "graph.lamina")
    x = arrays(3, 4)
    twins = [
        lamina.load(tmp_path / "graph.lamina"),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
    ]
    for twin in twins:
        np.testing.assert_array_equal(twin(x), model(x))


def test_it_is_fitted_like_any_model():
    _, _, model = make()
    model.compile("adam", "mse")
    x = arrays(64, 4)
    losses = model.fit(x, x[:, :2], epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert model.predict(x).shape == (64, 2)


def test_symbols_tell_shapes():
    x = Input((None, 3), batch_size=2, dtype="int32")
    assert (x.shape, x.ndim, str(x.dtype)) == ((2, None, 3), 3, "int32")
    assert Input(batch_shape=(5, 3))[..., None, 1:].shape == (5, 1, 2)
    assert (-(2 ** abs(Input((3,)))) > 1).dtype == bool


def test_an_input_begins_a_row():
    row = Sequential([Input((4,)), layers.Dense(3)])
    assert row.built and len(row) == 1
    grown = Sequential()
    grown.add(Input((4,)))
    grown.add(layers.Dense(3))
    first = grown.layers[0].kernel.value
    grown.add(layers.Dense(2))
    assert grown.layers[0].kernel.value is first
    assert list(grown.values())[-1] == "layers.1.bias"


def refused(make):
    with pytest.raises((InputError, TypeError)) as caught:
        make()
    return str(caught.value)


def test_bad_graphs_are_refused():
    a, b = Input((3,), name="left"), Input((3,))
    model = Model([a, b], a + b)
    assert "no input <Symbol of shape (None, 3), float32>, 'left'" in refused(
        lambda: Model(b, a + b)
    )
    assert "received: 3" in refused(lambda: Model(a, 3))
    assert "either shape or batch_shape" in refused(lambda: Input())
    assert "float32[2, 4]" in refused(lambda: model(arrays(2, 3), arrays(2, 4)))
    assert "do not match" in refused(lambda: model(arrays(2, 3)))
    named = Model({"a": a}, a + 1)
    assert "received: b" in refused(lambda: named({"b": arrays(2, 3)}))
    assert "layers.Lambda" in refused(lambda: bool(a))
    assert "holds layers only" in refused(lambda: Sequential([layers.Dense(2), a]))


# Graphs that go on, and graphs of a class of one's own.


def test_a_graph_goes_on_from_its_ends(tmp_path):
    x, _, model = make()
    assert model.input is x and model.inputs == [x]
    given, expected = arrays(5, 4), []
    for base in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        longer = Model(base.input, layers.Dense(1, kernel_initializer="ones")(base.output))
        expected.append(longer(given))
        assert longer.dense is base.dense
    model.save(tmp_path / "model.lamina")
    base = lamina.load(tmp_path / "model.lamina")
    assert base.input is base.input and [one.shape for one in base.outputs] == [(None, 2)]
    expected.append(
        Model(base.inputs, layers.Dense(1, kernel_initializer="ones")(base.output))(given)
    )
    for one in expected[1:]:
        np.testing.assert_allclose(one, expected[0], rtol=1e-5, atol=1e-6)


def test_the_ends_of_a_graph_are_those_of_the_layers_that_it_has_now():
    _, _, model = make()
    model.dense_1 = layers.Dense(2, use_bias=False, name="other")
    again = Model(model.input, model.output)
    assert again.other is model.dense_1
    given = arrays(5, 4)
    assert_close(again(given), model(given), rtol=1e-6)


def test_several_ends_keep_their_form():
    a, b = Input((2,)), Input((2,))
    model = Model({"a": a, "b": b}, {"sum": a + b})
    assert model.input == {"a": a, "b": b} and model.inputs == [a, b]
    assert list(model.output) == ["sum"]


def test_a_layer_in_a_graph_may_be_called_output():
    x = Input((4,))
    model = Model(x, layers.Dense(2, name="output")(x))
    assert sorted(model.values()) == ["output.bias", "output.kernel"]
    assert model.outputs[0].shape == (None, 2)


def test_layers_are_found_by_name_and_place():
    _, _, model = make()
    assert model.get_layer("dense_1") is model.dense_1 is model.get_layer(index=2)
    row = Sequential([layers.Dense(3, name="first"), layers.Dense(2)])
    assert row.get_layer("first") is row.layers[0] and row.get_layer("layers.1") is row.layers[1]
    row.layers[1].name = ["a user's own"]
    assert row.get_layer("first") is row.layers[0]
    for wrong in ({"name": "dense_7"}, {"index": 9}):
        with pytest.raises(UnknownNameError, match="no such layer"):
            model.get_layer(**wrong)


class Squared(Model):
    """A graph with a loss of its own."""

    def train_loss(self, batch):
        x, y = batch
        return jnp.mean((self(x) - y) ** 2)


class Wide(Model):
    """A graph that its class puts together."""

    def __init__(self, units, **options):
        x = Input((4,))
        super().__init__(inputs=x, outputs=layers.Dense(units)(x), **options)
        self.units = units


@pytest.mark.parametrize("kind", [Squared, Wide])
def test_a_graph_of_a_class_of_ones_own(kind, tmp_path):
    x = Input((4,))
    model = Wide(3, name="wide") if kind is Wide else Squared(x, layers.Dense(3)(x), name="wide")
    assert type(model).__name__ == kind.__name__ and isinstance(model, kind) and model.built
    assert model.name == "wide" and sorted(model.values()) == ["dense.bias", "dense.kernel"]
    given = arrays(8, 4)
    if kind is Squared:
        model.compile("sgd", learning_rate=0.1)
        losses = model.fit(given, given[:, :3], epochs=5, verbose=0).history["loss"]
        assert losses[-1] < losses[0]
    model.save(tmp_path / "model.lamina")
    twins = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
    for twin in (*twins, lamina.load(tmp_path / "model.lamina")):
        assert isinstance(twin, kind) and twin.name == "wide"
        np.testing.assert_allclose(twin(given), model(given), rtol=1e-5, atol=1e-6)
        assert kind is Squared or twin.units == 3


@pytest.mark.parametrize("given", [(3,), (None, 3)])
def test_what_is_no_graph_is_told(given):
    with pytest.raises(InputError, match="symbolic"):
        Squared(*given)
    with pytest.raises(InputError, match="not among the model's inputs"):
        Model(outputs=layers.Dense(2)(Input((3,))))


def test_a_model_may_begin_frozen(tmp_path):
    x = Input((4,))
    for model in (
        Model(x, layers.Dense(2)(x), trainable=False),
        Sequential([Input((4,)), layers.Dense(2)], trainable=False),
    ):
        assert len(model.weights) == 2 and model.trainable_weights == []
        model.save(tmp_path / "model.lamina")
        assert lamina.load(tmp_path / "model.lamina").trainable_weights == []


def test_arrays_come_by_the_names_of_their_inputs(tmp_path):
    words, tags = Input((None,), dtype="int32", name="title"), Input((3,), name="tags")
    hidden = layers.GRU(4)(layers.Embedding(9, 4)(words))
    model = Model([words, tags], layers.Dense(1)(layers.Concatenate()([hidden, tags])))
    given = {"tags": arrays(5, 3), "title": np.ones((5, 7), "int32")}
    expected = model(given["title"], given["tags"])
    model.save(tmp_path / "model.lamina")
    for one in (model, lamina.load(tmp_path / "model.lamina")):
        np.testing.assert_allclose(one(given), expected, rtol=1e-5, atol=1e-6)
    model.compile("sgd", "mse")
    assert len(model.fit(given, np.ones((5, 1)), verbose=0).history["loss"]) == 1
    np.testing.assert_allclose(model.predict(given).shape, (5, 1))
    with pytest.raises(InputError, match="title, tags"):
        model({"tags": given["tags"], "text": given["title"]})


@pytest.mark.parametrize("dtype", ["uint8", "int16", "bool", "float16"])
def test_arrays_become_what_their_input_holds_them_in(dtype):
    a, b = Input((2,), name="a"), Input((2,), name="b")
    one, two = np.full((1, 2), 200).astype(dtype), np.full((1, 2), 201).astype(dtype)
    expected = one.astype("float32") - two.astype("float32")
    np.testing.assert_array_equal(Model([a, b], a - b)([one, two]), expected)
    np.testing.assert_array_equal(Model([a, b], a - b).predict([one, two]), expected)
    double = Sequential([Input((2,)), layers.Lambda(lambda x: x + x)])
    assert double(one).dtype == jnp.float32
    np.testing.assert_array_equal(double(one), 2 * one.astype("float32"))


def test_arrays_stay_what_their_input_cannot_hold():
    i = Input((2,), dtype="int32")
    np.testing.assert_allclose(Model(i, i + 1)(np.array([[1.5, 2.5]])), [[2.5, 3.5]])
    assert Model(i, i + 1)(np.array([[250, 255]], "uint8")).tolist() == [[251, 256]]


def test_a_list_does_not_stand_for_a_dict_of_inputs():
    left, right = Input((3,), name="left"), Input((3,), name="right")
    model = Model({"right": right, "left": left}, left - right)
    with pytest.raises(InputError, match="left, right"):
        model([np.ones((1, 3)), np.zeros((1, 3))])
    assert model({"left": np.ones((1, 3)), "right": np.zeros((1, 3))}).tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: (x,), lambda x: [[x]]])
def test_a_list_of_one_input_or_output_is_its_element(wrap):
    x = Input((4,), name="x")
    model = Model(wrap(x), wrap(layers.Dense(2)(x)))
    data = np.ones((3, 4), "float32")
    for copied in (model, copy.deepcopy(model), Model.from_config(model.get_config())):
        for given in (data, [data], {"x": data}):
            assert copied(given).shape == copied.predict(given, verbose=0).shape == (3, 2)
        assert (copied.input_shape, copied.output_shape) == ((None, 4), (None, 2))
        assert copied(Input((4,))).shape == (None, 2)
        assert len(copied.inputs) == len(copied.outputs) == 1
    model.compile("sgd", ["mse"], metrics=[["mae"]])
    for labels in (np.ones((3, 2)), [np.ones((3, 2))], {"dense": np.ones((3, 2))}):
        assert set(model.fit([data], labels, verbose=0).history) == {"loss", "mae"}
