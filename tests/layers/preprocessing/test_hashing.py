"""Hashing layers: the bins that Keras's tests name, programs, and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Input, Model, Sequential, layers
from lamina.errors import InputError

PEOPLE = np.array([["omar"], ["stringer"], ["marlo"], ["wire"], ["skywalker"]])


@pytest.mark.parametrize(
    ("options", "inputs", "expected"),
    [
        ({"num_bins": 3}, list("ABCDE"), [1, 0, 1, 1, 2]),
        ({"num_bins": 3}, np.array([b"A", b"B"]), [1, 0]),
        ({"num_bins": 3}, "E", 2),
        ({"num_bins": 3, "mask_value": ""}, ["A", "B", "", "C", "D"], [1, 1, 0, 2, 2]),
        ({"num_bins": 3, "salt": [133, 137]}, list("ABCDE"), [1, 2, 1, 0, 2]),
        ({"num_bins": 3, "salt": 133}, list("ABCDE"), [0, 0, 2, 1, 0]),
        ({"num_bins": 1}, list("AB"), [0, 0]),
        ({"num_bins": 2}, PEOPLE, [[0], [0], [1], [0], [0]]),
        ({"num_bins": 3, "mask_value": "omar"}, PEOPLE, [[0], [1], [2], [1], [1]]),
        ({"num_bins": 2, "salt": [211, 137]}, PEOPLE, [[1], [0], [1], [0], [1]]),
        ({"num_bins": 3}, np.arange(5), [1, 0, 1, 0, 2]),
        ({"num_bins": 3}, np.arange(5.0), [1, 0, 1, 0, 2]),
        ({"num_bins": 3, "salt": [133, 137]}, np.arange(5), [1, 1, 2, 0, 1]),
        ({"num_bins": 3, "output_mode": "one_hot"}, np.array([[0], [4]]), [[0, 1, 0], [0, 0, 1]]),
        ({"num_bins": 3, "output_mode": "multi_hot"}, np.arange(5)[None], [[1, 1, 1]]),
        ({"num_bins": 3, "output_mode": "count"}, np.arange(5)[None], [[2, 2, 1]]),
        ({"num_bins": 3, "output_mode": "count"}, np.arange(5), [2, 2, 1]),
        ({"num_bins": 3, "output_mode": "count"}, [["A", "B", "C"]], [[1, 2, 0]]),
    ],
)
def test_bins_are_those_of_keras(options, inputs, expected):
    layer = layers.Hashing(**options)
    assert layer(inputs).tolist() == expected
    again = layers.Hashing.from_config(layer.get_config())
    assert again(inputs).tolist() == expected
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind in "if":
        assert lamina.jit(layer)(inputs).tolist() == expected


def test_a_masked_integer_has_its_own_bin():
    found = layers.Hashing(4, mask_value=2)(jnp.arange(5))
    assert found.tolist() == [2, 1, 0, 1, 3]


CROSSED = (np.array(["A", "B", "A", "B", "A"]), np.array([101, 101, 101, 102, 102]))


def test_crossed_bins_are_those_of_keras():
    assert layers.HashedCrossing(5)(CROSSED).tolist() == [1, 4, 1, 1, 3]
    found = layers.HashedCrossing(5, output_mode="one_hot")(CROSSED)
    assert found.dtype == "float32"
    assert found.argmax(-1).tolist() == [1, 4, 1, 1, 3]
    column = layers.HashedCrossing(5)([x[:, None] for x in CROSSED])
    assert column.tolist() == [[1], [4], [1], [1], [3]]
    assert layers.HashedCrossing(5)(["A", 101]).tolist() == 1


def test_crossed_integers_in_programs():
    layer, pair = layers.HashedCrossing(7), [jnp.arange(6), jnp.arange(6)[::-1]]
    assert jnp.array_equal(jax.jit(lambda *x: layer(list(x)))(*pair), layer(pair))
    inputs = [Input((), dtype="int32") for _ in pair]
    model = Model(inputs, layer(inputs))
    assert jnp.array_equal(model(pair), layer(pair))


def test_hashes_in_models_and_files(tmp_path):
    model = Sequential([layers.Hashing(5, salt=[1, 2]), layers.Embedding(5, 2), layers.Flatten()])
    x = jnp.arange(6).reshape(2, 3)
    expected = model(x)
    model.compile("sgd", "mse")
    model.save(tmp_path / "model")
    assert jnp.array_equal(lamina.load(tmp_path / "model")(x), expected)
    assert model.fit(x, jnp.zeros((2, 6)), verbose=0).history["loss"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layers.Hashing(None),
        lambda: layers.Hashing(-1),
        lambda: layers.Hashing(2, salt="text"),
        lambda: layers.Hashing(2, salt=[1]),
        lambda: layers.Hashing(2, salt=[1, 2, 3]),
        lambda: layers.Hashing(2, mask_value=1.5),
        lambda: layers.Hashing(2, output_mode="tf_idf"),
        lambda: layers.Hashing(2, sparse=True),
        lambda: layers.Hashing(2, dtype="float32"),
        lambda: layers.HashedCrossing(0),
        lambda: layers.HashedCrossing(2, "count"),
        lambda: layers.HashedCrossing(2)(jnp.arange(3)),
        lambda: layers.HashedCrossing(2)([jnp.arange(3)]),
        lambda: layers.HashedCrossing(2)([jnp.arange(3), jnp.arange(2)]),
        lambda: layers.HashedCrossing(2)([jnp.ones(3), jnp.ones(3)]),
        lambda: layers.HashedCrossing(2)([jnp.ones((1, 2), int)] * 2),
        lambda: layers.HashedCrossing(2)([["a"], Input((), dtype="int32")]),
    ],
)
def test_wrong_options_and_inputs_are_refused(wrong):
    with pytest.raises(InputError):
        wrong()
