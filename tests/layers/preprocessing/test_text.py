"""Text vectorization: what Keras's documentation says, models, files and errors."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Input, Sequential, layers
from lamina.errors import InputError
from lamina.layers import TextVectorization

WORDS = ["a", "b", "c", "a b"]


def on_commas(texts):
    return [text.split(",") for text in texts]


def reversed_case(texts):
    return np.char.swapcase(texts)


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        ({}, ["a c", "B, a? x"], [[2, 4, 0], [3, 2, 1]]),
        ({}, [["a c"], ["b"]], [[2, 4], [3, 0]]),
        ({}, "a c", [2, 4]),
        ({}, np.array([b"a", b""]), [[2], [0]]),
        ({"output_sequence_length": 2}, ["a b c", "c"], [[2, 3], [4, 0]]),
        ({"output_sequence_length": 4}, ["a b"], [[2, 3, 0, 0]]),
        ({"standardize": None}, ["A a b,"], [[1, 2, 1]]),
        ({"standardize": "lower"}, ["A b,"], [[2, 1]]),
        ({"standardize": "strip_punctuation"}, ["A b,"], [[1, 3]]),
        ({"standardize": reversed_case}, ["A b"], [[2, 1]]),
        ({"split": "character"}, ["ab", "c"], [[2, 3], [4, 0]]),
        ({"split": on_commas, "standardize": "lower"}, ["a,A b", "c"], [[2, 5], [4, 0]]),
        ({"split": None}, [["a b", "x"]], [[5, 1]]),
        ({"split": None}, [["a"], ["c"]], [[2], [4]]),
        ({"split": None}, ["a", "c"], [2, 4]),
        ({"split": None}, "a", 2),
        ({"split": None, "output_sequence_length": 3}, [["a", "c"]], [[2, 4, 0]]),
        ({"ngrams": 2}, ["a b", "c"], [[2, 3, 5], [4, 0, 0]]),
        ({"ngrams": (2,)}, ["a b", "c"], [[5], [0]]),
        ({"output_mode": "multi_hot"}, ["a a c", "x"], [[0, 1, 0, 1, 0], [1, 0, 0, 0, 0]]),
        ({"output_mode": "count"}, ["a a c", ""], [[0, 2, 0, 1, 0], [0, 0, 0, 0, 0]]),
        ({"output_mode": "count"}, "a a x", [1, 2, 0, 0, 0]),
        (
            {"output_mode": "count", "max_tokens": 6, "pad_to_max_tokens": True},
            ["b"],
            [[0, 0, 1, 0, 0, 0]],
        ),
        (
            {"output_mode": "tf_idf", "idf_weights": [1.0, 2.0, 3.0, 2.0]},
            ["a b b x"],
            [[2, 1, 4, 0, 0]],
        ),
    ],
)
def test_indices_of_tokens(options, text, expected):
    layer = TextVectorization(vocabulary=WORDS, **options)
    assert layer(text).tolist() == expected
    config = json.loads(json.dumps(layer.get_config()))
    again = TextVectorization.from_config(
        config, custom_objects={"on_commas": on_commas, "reversed_case": reversed_case}
    )
    assert again(text).tolist() == expected


def test_texts_without_tokens():
    assert TextVectorization(vocabulary=WORDS)(["", " "]).shape == (2, 0)
    assert TextVectorization(vocabulary=WORDS, output_mode="count")([""]).tolist() == [[0] * 5]


TEXTS = ["The cat sat.", "the dog, the cat"]


@pytest.mark.parametrize(
    "data",
    [TEXTS, np.array(TEXTS)[:, None], (np.array([text]) for text in TEXTS)],
    ids=["list", "array", "batches"],
)
def test_adapt(data):
    layer = TextVectorization(max_tokens=5)
    layer.adapt(data)
    assert layer.get_vocabulary() == ["", "[UNK]", "the", "cat", "sat"]
    assert layer.get_vocabulary(include_special_tokens=False) == ["the", "cat", "sat"]
    assert layer.vocabulary_size() == 5


def test_adapt_in_steps_and_to_document_frequencies():
    layer = TextVectorization(output_mode="tf_idf")
    layer.adapt(iter([TEXTS, ["never"]]), steps=1)
    assert layer.get_vocabulary() == ["[UNK]", "the", "cat", "sat", "dog"]
    weights = np.log(1 + 2 / (1 + np.array([2, 2, 1, 1])))
    expected = [[weights.mean(), 2 * weights[0], 0, weights[2], 0]]
    np.testing.assert_allclose(layer(["the the sat x"]), expected, rtol=1e-6)


def test_set_vocabulary_replaces_another():
    layer = TextVectorization()
    layer.adapt(TEXTS)
    layer.set_vocabulary(["sat"])
    assert layer(TEXTS).tolist() == [[1, 1, 2, 0], [1, 1, 1, 1]]
    layer.adapt(TEXTS)
    assert layer.vocabulary_size() == 6


def test_models_files_and_clones(tmp_path):
    vectorize = TextVectorization(output_sequence_length=4)
    vectorize.adapt(TEXTS)
    net = Sequential([layers.Embedding(9, 2, mask_zero=True), layers.GlobalAveragePooling1D()])
    ids = vectorize(TEXTS)
    net.compile("sgd", "mse")
    net.fit(ids, np.zeros((2, 2)), verbose=0)
    model = Sequential([vectorize, net])
    expected = net(ids)
    for text in (TEXTS, np.array(TEXTS), np.array(TEXTS)[:, None]):
        assert jnp.array_equal(model(text), expected)
    model.save(tmp_path / "model")
    assert jnp.array_equal(lamina.load(tmp_path / "model")(TEXTS), expected)
    twin = lamina.models.clone_model(model)
    twin.set_weights(model.get_weights())
    assert jnp.array_equal(twin(TEXTS), expected)
    model.compile("sgd", "mse")
    y = np.zeros((2, 2))
    for data in (ids, TEXTS, np.array(TEXTS)):
        assert jnp.allclose(model.predict(data, verbose=0), expected, atol=1e-6)
        np.testing.assert_allclose(model.evaluate(data, y, verbose=0), (expected**2).mean(), 1e-5)
    model.fit(TEXTS, y, validation_data=(TEXTS, y), epochs=2, verbose=0)
    assert not jnp.array_equal(model(TEXTS), expected)


def test_reports_tell_that_it_needs_no_build(capsys):
    model = Sequential([TextVectorization(vocabulary=WORDS), layers.Embedding(6, 2)])
    model(["a"])
    model.summary()
    model.explain()
    printed = capsys.readouterr().out
    assert "before programs" in printed and "not built" not in printed.lower()
    assert model.plan(lamina.Spec((None, None), "int32")).unused == ()


def test_series_of_pandas_and_long_vocabularies():
    pandas = pytest.importorskip("pandas")
    words = [f"w{number}" for number in range(40)]
    vectorize = TextVectorization(vocabulary=words)
    model = Sequential([vectorize, layers.Embedding(42, 2)])
    assert jnp.array_equal(model(pandas.Series(["w3", "w5 w6"])), model(["w3", "w5 w6"]))
    assert repr(vectorize) == "TextVectorization(vocabulary=['', '[UNK]', 'w0', ... 42 items])"


def test_in_a_model_of_ones_own():
    class Tagger(lamina.Model):
        def __init__(self):
            super().__init__()
            self.vectorize = TextVectorization(vocabulary=WORDS)
            self.embed = layers.Embedding(6, 2)

        def call(self, texts):
            return self.embed(self.vectorize(texts))

    model = Tagger()
    assert model(["a b", "c"]).shape == (2, 2, 2)
    assert jnp.array_equal(model(["a b", "c"])[1, 0], model.embed.embeddings.value[4])


def test_keras_configs():
    config = {
        "max_tokens": 9,
        "standardize": "lower",
        "split": "whitespace",
        "ngrams": [1, 2],
        "output_mode": "int",
        "output_sequence_length": 3,
        "pad_to_max_tokens": False,
        "sparse": False,
        "ragged": False,
        "vocabulary": None,
        "idf_weights": None,
        "encoding": "utf-8",
        "vocabulary_size": 2,
        "name": "text_vectorization",
        "trainable": True,
        "dtype": {"class_name": "DTypePolicy", "config": {"name": "float32"}},
    }
    layer = TextVectorization.from_config(config)
    layer.set_vocabulary(["", "[UNK]", "a", "a b"])
    assert layer(["A b"]).tolist() == [[2, 1, 3]]
    with pytest.raises(InputError, match="from the path"):
        TextVectorization.from_config(config | {"vocabulary": "/etc/passwd"})


@pytest.mark.parametrize("call", [jax.jit, lambda f: lambda x: f(Input((), dtype="int32"))])
def test_programs_name_the_remedy(call):
    layer = TextVectorization(vocabulary=WORDS)
    with pytest.raises(InputError, match="first layer of a Sequential"):
        call(lambda x: layer(x))(jnp.ones(3))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: TextVectorization(standardize="upper"),
        lambda: TextVectorization(split="commas"),
        lambda: TextVectorization(ngrams="two"),
        lambda: TextVectorization(ngrams=0),
        lambda: TextVectorization(output_mode="ids"),
        lambda: TextVectorization(output_sequence_length=0),
        lambda: TextVectorization(output_mode="count", output_sequence_length=3),
        lambda: TextVectorization(ragged=True),
        lambda: TextVectorization(sparse=True),
        lambda: TextVectorization(encoding="no such"),
        lambda: TextVectorization(vocabulary=["a", ""]),
        lambda: TextVectorization()(TEXTS),
        lambda: TextVectorization().adapt([""]),
        lambda: TextVectorization(vocabulary=WORDS)([["a", "b"]]),
        lambda: TextVectorization(vocabulary=WORDS)([1]),
        lambda: TextVectorization(vocabulary=WORDS, split=lambda texts: [])(["a"]),
    ],
)
def test_wrong_options_and_inputs_are_refused(wrong):
    with pytest.raises(InputError):
        wrong()
