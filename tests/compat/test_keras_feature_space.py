"""`keras.utils.FeatureSpace`: the layers of Keras, their sizes, graphs and files."""

import json

import numpy as np
import pytest

from lamina.compat import keras
from lamina.compat.keras.utils.batches import Batches
from lamina.errors import InputError, LaminaError

Space = keras.utils.FeatureSpace
NUMBERS = np.arange(10) / 10
DATA = {
    "float_1": NUMBERS.tolist(),
    "float_2": NUMBERS.tolist(),
    "float_3": NUMBERS.tolist(),
    "string_1": [str(one) for one in range(10)],
    "string_2": [str(one) for one in range(10)],
    "int_1": list(range(10)),
    "int_2": list(range(10)),
    "int_3": list(range(10)),
}
FIRST = {name: column[0] for name, column in DATA.items()}
KINDS = {
    "float_1": "float",
    "float_2": "float_normalized",
    "float_3": "float_discretized",
    "string_1": "string_categorical",
    "string_2": "string_hashed",
    "int_1": "integer_categorical",
    "int_2": "integer_hashed",
    "int_3": "integer_categorical",
}
CROSSES = [("float_3", "string_1"), ("string_2", "int_2")]


@pytest.fixture(scope="module")
def space():
    made = Space(KINDS, crosses=CROSSES)
    made.adapt(DATA)
    return made


def test_a_vector_has_the_parts_of_keras_in_the_order_of_keras(space):
    made = np.asarray(space(DATA))
    assert made.shape == (10, 195)  # as Keras's own test says
    np.testing.assert_allclose(made[:, 0], NUMBERS, rtol=1e-6)
    normal = (NUMBERS - NUMBERS.mean()) / NUMBERS.std()
    np.testing.assert_allclose(made[:, 1], normal, rtol=1e-4, atol=1e-6)
    layer = keras.layers.Hashing(32)
    at = 2 + 32 + 11  # after two numbers, bins and a vocabulary
    found = made[:, at : at + 32].argmax(1)
    np.testing.assert_array_equal(found, layer(np.arange(10)))
    single = space(FIRST)
    assert single.shape == (195,)
    np.testing.assert_allclose(single, made[0], rtol=1e-6)
    again = space({name: np.array(column)[:, None] for name, column in DATA.items()})
    np.testing.assert_array_equal(again, made)


def test_indices_in_a_dict():
    made = Space(
        {
            "string_1": Space.string_categorical(output_mode="int"),
            "int_1": Space.integer_categorical(output_mode="int", max_tokens=4),
            "float_3": Space.float_discretized(num_bins=3, output_mode="int"),
            "float_1": Space.float_rescaled(2.0, 1.0),
        },
        crosses=[Space.cross(("string_1", "int_1"), crossing_dim=8, output_mode="int")],
        output_mode="dict",
    )
    made.adapt(DATA)
    found = made(DATA)
    lookup = keras.layers.StringLookup()
    lookup.adapt(np.array(DATA["string_1"])[:, None])
    indices = np.asarray(lookup(np.array(DATA["string_1"])))[:, None]
    np.testing.assert_array_equal(found["string_1"], indices)
    np.testing.assert_allclose(found["float_1"][:, 0], 2 * NUMBERS + 1, rtol=1e-6)
    crossed = keras.layers.HashedCrossing(8)([indices, np.asarray(found["int_1"])])
    np.testing.assert_array_equal(found["string_1_X_int_1"], crossed)
    assert {one.shape for one in made(FIRST).values()} == {(1,)}
    assert int(np.max(found["float_3"])) == 2 and int(np.max(found["int_1"])) == 3


def test_layers_of_ones_own_and_batches_of_data():
    text = {"text": ["1st string", "2nd string", "3rd string"]}
    vectors = keras.layers.TextVectorization(output_mode="tf_idf")
    space = Space({"text": Space.feature("string", vectors, "float")})
    space.adapt(Batches(lambda rows: {"text": np.array(text["text"])[rows]}, np.arange(3), 2))
    assert space(text).shape == (3, 5)
    normalization = keras.layers.Normalization(mean=12.0, variance=5.0)
    ready = Space({"x": Space.feature("float32", normalization, "float")})
    np.testing.assert_allclose(ready({"x": [12.0, 17.0]}), [[0], [5**0.5]], rtol=1e-6)


def test_features_are_part_of_a_graph(space):
    inputs, features = space.get_inputs(), space.get_encoded_features()
    assert set(inputs) == set(KINDS)
    outputs = keras.layers.Dense(1)(features)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    columns = {name: np.array(column)[:, None] for name, column in DATA.items()}
    history = model.fit(columns, np.zeros((10, 1)), epochs=2, verbose=0)
    assert history.history["loss"][1] < history.history["loss"][0]
    inner = keras.Model(features, outputs)
    np.testing.assert_allclose(inner(space(DATA)), model.predict(columns, verbose=0), rtol=1e-5)


def test_files(space, tmp_path):
    path = tmp_path / "space.keras"
    space.save(path)
    for load in (keras.models.load_model, keras.saving.load_model):
        again = load(path)
        np.testing.assert_allclose(again(DATA), space(DATA), rtol=1e-6)
    again.save(path)
    config = json.loads(json.dumps(space.get_config()))
    for one in (keras.models.load_model(path), Space.from_config(config)):
        np.testing.assert_allclose(one(FIRST), space(FIRST), rtol=1e-6)
    with pytest.raises(InputError, match="nothing to adapt"):
        again.adapt(DATA)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Space({}), "no features"),
        (lambda: Space({"a": "integer"}), "string_hashed"),
        (lambda: Space({"a": "float"}, output_mode="list"), "output_mode"),
        (lambda: Space({"a": "float"}, crosses=[("a", "b")]), "unknown features"),
        (lambda: Space({"a": "float"}, crosses=[("a",)], crossing_dim=None), "crossing_dim"),
        (lambda: Space({"a": "float_normalized"})({"a": [1.0]}), "adapt"),
        (lambda: Space({"a": "float"})([1.0]), "dict"),
        (lambda: Space({"a": "float"})({"b": [1.0]}), "'a'"),
        (lambda: Space({"a": Space.integer_hashed(3, "int")})({"a": [1]}), "output_mode='dict'"),
        (lambda: Space({"a": "string_hashed"})({"a": [2**40]}), "text"),
        (lambda: Space({"a": "integer_hashed"})({"a": [2**40]}), "out of range"),
    ],
)
def test_what_makes_no_sense_is_told(make, message):
    with pytest.raises(LaminaError, match=message):
        make()
