"""Graphs and stacks with inputs and outputs of text: calls, training, nesting, files, errors."""

import copy
import json
import pickle
import zipfile

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import Input, Model, Sequential, layers
from lamina.errors import InputError

COUNT = 12
CITIES = ["a", "b", "c"]


def features(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "age": rng.normal(size=(COUNT, 1)),
        "city": rng.choice([*CITIES, "x"], COUNT),
        "town": rng.choice(CITIES, (COUNT, 1)).astype(object),
        "code": rng.integers(0, 5, COUNT),
    }


def labels():
    return np.random.default_rng(1).normal(size=(COUNT, 2)).astype("float32")


def text_inputs():
    return {
        "age": Input((1,), name="age"),
        "city": Input((1,), name="city", dtype="string"),
        "town": Input((1,), name="town", dtype="string"),
        "code": Input((1,), name="code", dtype="int32"),
    }


def mixed_model():
    given = text_inputs()
    lookup = layers.StringLookup(vocabulary=CITIES, output_mode="multi_hot")
    ids = layers.StringLookup(vocabulary=CITIES)(given["town"])
    parts = [
        given["age"],
        lookup(given["city"]),
        lookup(given["town"]),
        layers.Flatten()(layers.Embedding(4, 2)(ids)),
        layers.Hashing(3, output_mode="one_hot")(given["city"]),
        layers.HashedCrossing(4, output_mode="one_hot")([given["code"], given["city"]]),
        layers.IntegerLookup(vocabulary=[1, 2], output_mode="one_hot")(given["code"]),
    ]
    return Model(list(given.values()), layers.Dense(2)(layers.Concatenate()(parts)))


def converted(x):
    """What the layers of text of `mixed_model` give, by separate calls."""
    lookup = layers.StringLookup(vocabulary=CITIES, output_mode="multi_hot")
    city, town = x["city"][:, None], x["town"]
    return [
        x["age"],
        lookup(city),
        lookup(town),
        layers.StringLookup(vocabulary=CITIES)(town),
        layers.Hashing(3, output_mode="one_hot")(city),
        layers.HashedCrossing(4, output_mode="one_hot")([x["code"][:, None], city]),
        layers.IntegerLookup(vocabulary=[1, 2], output_mode="one_hot")(x["code"][:, None]),
    ]


def text_model():
    vectorize = layers.TextVectorization(vocabulary=["good", "bad"], output_sequence_length=3)
    text = Input((1,), dtype="string", name="text")
    x = layers.Embedding(4, 3)(vectorize(text))
    return Model(text, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))


TEXTS = np.array(["good film", "bad", "Good, good!", ""] * 3)


def test_numbers_are_those_of_keras_on_the_converted_features():
    model, x = mixed_model(), features()
    parts = [np.asarray(part) for part in converted(x)]
    symbols = [keras.Input(part.shape[1:], dtype=str(part.dtype)) for part in parts]
    embedded = keras.layers.Flatten()(keras.layers.Embedding(4, 2)(symbols[3]))
    joined = keras.layers.Concatenate()([*symbols[:3], embedded, *symbols[4:]])
    reference = keras.Model(symbols, keras.layers.Dense(2)(joined))
    reference.set_weights(model.get_weights())
    expected = reference.predict(parts, verbose=0)
    np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)


def test_inputs_come_by_name_in_order_and_as_lists():
    model, x = mixed_model(), features()
    expected = model.predict(x, verbose=0)
    listed = [x["age"], list(x["city"]), x["town"].tolist(), x["code"].tolist()]
    for given in (listed, tuple(listed), {**x, "city": x["city"].astype("S")}):
        np.testing.assert_array_equal(model.predict(given, verbose=0), expected)
        np.testing.assert_array_equal(model.predict_on_batch(given), expected)
        np.testing.assert_allclose(model(given), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model(*listed), expected, rtol=1e-5, atol=1e-6)


class Batches:
    """Batches as those of ``keras.utils.PyDataset``."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = slice(4 * index, 4 * index + 4)
        return {name: part[rows] for name, part in features().items()}, labels()[rows]


@pytest.mark.parametrize("jit", [True, False])
def test_training_is_that_of_the_program_on_ids(jit):
    x, y = features(), labels()
    model = mixed_model()
    twin = copy.deepcopy(model)
    for one in (model, twin):
        one.compile("sgd", "mse", metrics=["mae"], jit=jit)
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0, validation_data=[x, y])
    lookups = [np.asarray(part) for part in converted(x)]
    names = ["age", "string_lookup_1", "string_lookup_1_1", "string_lookup", "hashing"]
    ids = dict(zip([*names, "hashed_crossing"], lookups[:6], strict=True), code=x["code"][:, None])
    twin.fit(ids, y, batch_size=4, shuffle=False, verbose=0)
    jax.tree.map(np.testing.assert_array_equal, model.get_weights(), twin.get_weights())
    assert model.evaluate(x, y, verbose=0) == twin.evaluate(ids, y, verbose=0)


def test_sources_of_batches():
    x, y = features(), labels()
    models = [mixed_model() for _ in range(4)]
    for model in models:
        model.set_weights(models[0].get_weights())
        model.compile("sgd", "mse")
    batches = Batches()
    models[0].fit(x, y, batch_size=4, shuffle=False, epochs=2, verbose=0)
    models[1].fit(batches, shuffle=False, epochs=2, verbose=0, validation_data=batches)
    models[2].fit(lambda: (batches[i] for i in range(3)), epochs=2, verbose=0)
    models[3].fit((batches[i % 3] for i in range(6)), epochs=2, steps_per_epoch=3, verbose=0)
    for model in models[1:]:
        jax.tree.map(np.testing.assert_array_equal, model.get_weights(), models[0].get_weights())
    np.testing.assert_allclose(models[0].evaluate(batches, verbose=0), models[0].evaluate(x, y))
    np.testing.assert_array_equal(
        models[0].predict(batches, verbose=0), models[0].predict(x, batch_size=4, verbose=0)
    )
    before = models[0].test_on_batch(x, y)
    assert models[0].train_on_batch(x, y) == before > models[0].test_on_batch(x, y)


def stack():
    return Sequential(
        [
            Input((1,), dtype="string"),
            layers.TextVectorization(vocabulary=["good", "bad"], output_sequence_length=3),
            layers.Embedding(4, 3),
            layers.GlobalAveragePooling1D(),
        ]
    )


def around(inner):
    text = Input((), dtype="string")
    return Model(text, layers.Dense(2)(inner(text)))


def without_input():
    inner = stack()
    return Sequential(inner.layers)


MODELS = {
    "features": (mixed_model, features()),
    "text": (text_model, TEXTS),
    "stack": (stack, TEXTS),
    "stack around a graph": (lambda: Sequential([text_model(), layers.Dense(2)]), TEXTS),
    "around a graph": (lambda: around(text_model()), TEXTS),
    "around a stack": (lambda: around(stack()), TEXTS),
    "around a stack without an input": (lambda: around(without_input()), TEXTS),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("end", ["keras", "safetensors"])
def test_files_and_copies(tmp_path, name, end):
    make, x = MODELS[name]
    model = make()
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-6)
    path = tmp_path / f"m.{end}"
    model.save(path)
    copies = [lamina.load(path), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    clone = type(model).from_config(model.get_config())
    clone(x)
    clone.set_weights(model.get_weights())
    for one in (*copies, clone):
        np.testing.assert_array_equal(one.predict(x, verbose=0), expected)
        np.testing.assert_array_equal(one(x), model(x))
    assert lamina.models.clone_model(model).predict(x, verbose=0).shape == expected.shape
    assert copies[0].count_params() == model.count_params()


def test_an_inner_model_is_trained():
    inner = text_model()
    model = around(inner)
    before = np.asarray(inner.embedding.embeddings)
    model.compile("sgd", "mse")
    model.fit(TEXTS, labels(), verbose=0)
    assert np.abs(np.asarray(inner.embedding.embeddings) - before).max() > 0
    np.testing.assert_allclose(inner(TEXTS) @ model.dense.kernel + model.dense.bias, model(TEXTS))


def test_a_file_of_keras_has_inputs_of_text_and_vocabularies(tmp_path):
    mixed_model().save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        config = json.loads(archive.read("config.json"))["config"]
    found = {entry["name"]: entry["config"] for entry in config["layers"]}
    assert found["city"]["dtype"] == "string"
    assert found["string_lookup"]["vocabulary"] == ["[UNK]", *CITIES]
    node = next(one for one in config["layers"] if one["name"] == "hashing")["inbound_nodes"][0]
    assert node["args"][0]["config"]["dtype"] == "string"


def test_a_vocabulary_beside_the_weights_decides_the_widths(tmp_path):
    """As Keras writes adapted layers, for which it needs TensorFlow."""
    text = Input((1,), dtype="string", name="text")
    lookup = layers.StringLookup(output_mode="multi_hot")
    lookup.adapt(["b", "b", "a"])
    model = Model(text, layers.Dense(2)(lookup(text)))
    model.save(tmp_path / "own.keras")
    with zipfile.ZipFile(tmp_path / "own.keras") as own:
        config = json.loads(own.read("config.json"))
        entry = next(one for one in config["config"]["layers"] if "vocabulary" in one["config"])
        entry["config"]["vocabulary"] = None
        with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
            archive.writestr("config.json", json.dumps(config))
            archive.writestr("metadata.json", own.read("metadata.json"))
            archive.writestr("model.weights.h5", own.read("model.weights.h5"))
            archive.writestr("assets/layers/string_lookup/vocabulary.txt", "[UNK]\nb\na\n")
    loaded = lamina.load(tmp_path / "m.keras")
    x = np.array(["a", "b", "c"])
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def rearranged_model():
    """As Keras's example of wide and deep models: a last axis is added to text."""
    word, pair = Input((), dtype="string", name="word"), Input((2,), dtype="string", name="pair")

    def encoded(text):
        return layers.StringLookup(vocabulary=CITIES, output_mode="multi_hot")(text)

    parts = [encoded(word[:, None]), encoded(layers.Reshape((1,))(word)), encoded(pair[:, 1:])]
    return Model({"word": word, "pair": pair}, layers.Concatenate()(parts))


def test_text_is_rearranged_on_the_host(tmp_path):
    model = rearranged_model()
    x = {"word": np.array(["a", "c", "x"]), "pair": np.array([["a", "b"], ["b", "c"], ["c", "a"]])}
    rows = {"a": [0, 1, 0, 0], "b": [0, 0, 1, 0], "c": [0, 0, 0, 1], "x": [1, 0, 0, 0]}
    words = zip(x["word"], x["pair"][:, 1], strict=True)
    expected = [[*rows[word], *rows[word], *rows[last]] for word, last in words]
    assert model(x).tolist() == model.predict(x, verbose=0).tolist() == expected
    for name in ("m.keras", "m.safetensors"):
        model.save(tmp_path / name)
        assert lamina.load(tmp_path / name).predict(x, verbose=0).tolist() == expected
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        config = json.loads(archive.read("config.json"))["config"]
    for entry in config["layers"]:
        if entry["class_name"] == "Reshape":  # as keras.ops.expand_dims(text, -1)
            options = {"name": entry["name"], "axis": -1}
            entry.update(module="keras.src.ops.numpy", class_name="ExpandDims", config=options)
    assert Model.from_config(config)(x).tolist() == expected


def label_model(start):
    scores = layers.Dense(2, name="scores")(start)
    label = layers.StringLookup(vocabulary=["no", "yes"], num_oov_indices=0, invert=True)
    return Model(start, {"scores": scores, "label": label(layers.Lambda(argmax)(scores))})


def argmax(x):
    return x.argmax(-1)


def test_outputs_of_text():
    start = Input((3,), name="x")
    model = label_model(start)
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    expected = np.array(["no", "yes"])[np.asarray(model(x)["scores"]).argmax(-1)]
    assert set(expected) == {"no", "yes"}
    assert str(model.output["label"].dtype) == "string"
    outer = Model(start, model(start))
    for one in (model, outer):
        for outputs in (one(x), one.predict(x, verbose=0), one.predict_on_batch(x)):
            np.testing.assert_array_equal(outputs["label"], expected)
    model.compile("sgd", {"scores": "mse"})
    model.fit(x, {"scores": np.ones((8, 2), "float32")}, verbose=0)
    assert lamina.jit(model)(x)["label"].dtype == jnp.int32


def test_text_through_a_model_without_weights():
    text = Input((), dtype="string")
    ids = layers.StringLookup(vocabulary=CITIES)(text)
    model = Model(text, layers.StringLookup(vocabulary=CITIES, invert=True)(ids))
    for found in (model(["a", "x"]), model.predict(["a", "x"], verbose=0)):
        assert found.tolist() == ["a", "[UNK]"]


def test_programs_take_ids_by_name(tmp_path):
    model = text_model()
    ids = {"text_vectorization": layers.TextVectorization(**SAME)(TEXTS)}
    expected = model(TEXTS)
    np.testing.assert_allclose(lamina.jit(model)(ids), expected, rtol=1e-6)
    np.testing.assert_allclose(model.apply(model.values(), ids)[0], expected, rtol=1e-6)
    model.export(tmp_path / "p.safetensors")
    exported = lamina.load_exported(tmp_path / "p.safetensors")
    np.testing.assert_allclose(exported(ids), expected, rtol=1e-6)
    assert list(model.capture(TEXTS, "dense")) == ["dense"]


SAME = {"vocabulary": ["good", "bad"], "output_sequence_length": 3}


def test_reports():
    model = mixed_model()
    plan = model.plan(model._known_input())
    assert plan.count_params() == model.count_params() and not plan.unused
    lines = []
    model.summary(print_fn=lines.append)
    page = "\n".join(map(str, lines))
    assert page.count("before programs") == 4 and "not built" not in page


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda text, model: layers.Dense(2)(text), "Dense got a symbolic input of text"),
        (lambda text, model: text + 1, "symbolic input of text"),
        (lambda text, model: layers.Dense(2).build(lamina.Spec((None, 1), "string")), "of text"),
        (lambda text, model: Model(text, [text, layers.Hashing(3)(text)]), "An output of"),
        (lambda text, model: layers.StringLookup(output_mode="one_hot")(text), "no vocabulary"),
        (lambda text, model: layers.StringLookup(vocabulary=["a"])(Input((1,))), "works on text"),
        (lambda text, model: model(np.ones((2, 1), int)), "'text' of functional is one of text"),
        (lambda text, model: model.predict(np.ones((2, 1), int)), "'text' of functional is one"),
        (lambda text, model: stack().predict(np.ones((2, 1), int)), "is one of text"),
        (lambda text, model: stack()(np.ones((2, 1), int)), "is one of text"),
        (lambda text, model: lamina.jit(model)(["good"]), "its layers of text give"),
        (lambda text, model: lamina.jit(model)(np.array(["good"])), "array of text"),
        (lambda text, model: model.apply(model.values(), ["good"]), "its layers of text give"),
        (lambda text, model: lamina.jit(model)(jnp.ones((2, 3), int)), "its layers of text give"),
        (lambda text, model: model.plan(lamina.Spec((None, 1), "string")), "input of text"),
        (lambda text, model: Holder(model)(TEXTS), "array of text"),
        (lambda text, model: Sequential([text, layers.Dense(2)]), "symbolic input of text"),
    ],
)
def test_errors(attempt, words):
    text = Input((1,), dtype="string", name="text")
    with pytest.raises(InputError, match=words):
        attempt(text, text_model())


class Holder(Model):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return self.inner(x)
