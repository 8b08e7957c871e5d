"""Functional models: graphs of layers on symbolic inputs."""

import copy
import pickle

import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import Input, Model, Sequential, layers
from lamina.errors import InputError


def arrays(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), "float32")


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
    np.testing.assert_allclose(model(x), model.dense_1(hidden) * 0.5 + hidden[:, :2], rtol=1e-6)


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
    np.testing.assert_allclose(named({"b": y, "a": x})["sum"], 1 - (shared(x) + y), rtol=1e-6)
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
    padded = model(jnp.array([[1, 2, 0, 0]]))
    np.testing.assert_allclose(padded, model(jnp.array([[1, 2]])), rtol=1e-6)


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
    assert "has one shape" in refused(lambda: Input())
    assert "float32[2, 4]" in refused(lambda: model(jnp.ones((2, 3)), jnp.ones((2, 4))))
    assert "do not fit" in refused(lambda: model(jnp.ones((2, 3))))
    named = Model({"a": a}, a + 1)
    assert "received: b" in refused(lambda: named({"b": jnp.ones((2, 3))}))
    assert "layers.Lambda" in refused(lambda: bool(a))
    assert "holds layers only" in refused(lambda: Sequential([layers.Dense(2), a]))
