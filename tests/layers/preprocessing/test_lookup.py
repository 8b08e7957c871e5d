"""Lookups: indices by Keras's documentation, vocabularies, files, programs, and errors."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Input, Model, Sequential, layers
from lamina.errors import FileFormatError, InputError
from lamina.layers import IntegerLookup, StringLookup
from lamina.ops.hashing import farmhash64, siphash64
from lamina.saving import deserialize, models, serialize

WORDS = ["a", "b", "c"]
TEXT = [["a", "c", "a"], ["d", "", "b"]]
NUMBERS = [7, 5, 9]
INPUTS = np.array([[7, 9, 7], [2, 0, 5]], "int32")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [[1, 3, 1], [0, 0, 2]]),
        ({"mask": True}, [[2, 4, 2], [1, 0, 3]]),
        ({"output_mode": "one_hot"}, np.eye(4)[[[1, 3, 1], [0, 0, 2]]].tolist()),
        ({"output_mode": "multi_hot"}, [[0, 1, 0, 1], [1, 0, 1, 0]]),
        ({"output_mode": "binary", "mask": True}, [[0, 1, 0, 1], [1, 0, 1, 0]]),
        ({"output_mode": "count"}, [[0, 2, 0, 1], [2, 0, 1, 0]]),
        ({"output_mode": "count", "mask": True}, [[0, 2, 0, 1], [1, 0, 1, 0]]),
        (
            {"output_mode": "count", "max_tokens": 5, "pad_to_max_tokens": True},
            [[0, 2, 0, 1, 0], [2, 0, 1, 0, 0]],
        ),
        (
            {"output_mode": "tf_idf", "idf_weights": [1.0, 2.0, 6.0]},
            [[0, 2, 0, 6], [6, 0, 2, 0]],
        ),
        (
            {
                "output_mode": "tf-idf",
                "idf_weights": [1.0, 2.0, 6.0],
                "max_tokens": 6,
                "pad_to_max_tokens": True,
            },
            [[0, 2, 0, 6, 0, 0], [6, 0, 2, 0, 0, 0]],
        ),
    ],
)
def test_indices_of_text_and_of_integers(options, expected):
    options = dict(options)
    mask = options.pop("mask", False)
    words = StringLookup(vocabulary=WORDS, mask_token="" if mask else None, **options)
    numbers = IntegerLookup(vocabulary=NUMBERS, mask_token=0 if mask else None, **options)
    for layer, inputs in ((words, TEXT), (numbers, INPUTS)):
        assert layer(inputs).tolist() == expected
        again = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
        assert again(inputs).tolist() == expected
    assert lamina.jit(numbers)(INPUTS).tolist() == expected
    assert words(np.array(TEXT)).tolist() == words(np.array(TEXT, "S")).tolist() == expected


def test_single_tokens():
    assert StringLookup(vocabulary=WORDS)("b").tolist() == 2
    assert IntegerLookup(vocabulary=NUMBERS)(jnp.array(5)).tolist() == 2
    assert StringLookup(vocabulary=WORDS, output_mode="count")("b").tolist() == [0, 0, 1, 0]


def test_several_indices_of_other_tokens():
    others = [2, -3, 4, 10**6]
    plain = IntegerLookup(vocabulary=NUMBERS, num_oov_indices=3, mask_token=0)
    assert plain(np.array(others)).tolist() == [1 + one % 3 for one in others]
    assert plain(np.array([7, 0])).tolist() == [4, 0]
    hashed = IntegerLookup(vocabulary=NUMBERS, num_oov_indices=3, oov_method="farmhash")
    bins = [farmhash64(str(one).encode()) % 3 for one in others]
    assert hashed(np.array(others)).tolist() == bins
    assert lamina.jit(hashed)(np.array(others)).tolist() == bins
    words = ["x", "yy", "zé"]
    layer = StringLookup(vocabulary=WORDS, num_oov_indices=3)
    assert layer(words).tolist() == [farmhash64(one.encode()) % 3 for one in words]
    salted = StringLookup(vocabulary=WORDS, num_oov_indices=3, salt=[1, 2])
    assert salted(words).tolist() == [siphash64(one.encode(), (1, 2)) % 3 for one in words]


def test_no_index_of_other_tokens():
    layer = IntegerLookup(vocabulary=NUMBERS, num_oov_indices=0, mask_token=0)
    assert layer(jnp.array([7, 0])).tolist() == [1, 0]
    with pytest.raises(InputError, match="num_oov_indices=1"):
        layer(jnp.array([7, 3]))
    assert lamina.jit(layer)(jnp.array([7, 3])).tolist() == [1, -1]
    with pytest.raises(InputError, match="'d'"):
        StringLookup(vocabulary=WORDS, num_oov_indices=0)(TEXT)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32"])
def test_tokens_out_of_range_of_the_input_match_nothing(dtype):
    layer = IntegerLookup(vocabulary=[7, 300, -1, 2**40])
    assert layer(jnp.array([7, 44, 255 if dtype == "uint8" else 9], dtype)).tolist() == [1, 0, 0]


def test_inverse():
    words = StringLookup(vocabulary=WORDS, mask_token="", invert=True)
    assert words(np.array([[0, 1, 2], [4, 9, -1]])).tolist() == [
        ["", "[UNK]", "a"],
        ["c", "[UNK]", "[UNK]"],
    ]
    assert words(jnp.array([3])).tolist() == ["b"]
    numbers = IntegerLookup(vocabulary=NUMBERS, mask_token=0, invert=True)
    assert numbers(jnp.array([0, 1, 2, 4, 9])).tolist() == [0, -1, 7, 9, -1]
    there = StringLookup(vocabulary=WORDS)
    back = StringLookup(vocabulary=there.get_vocabulary(), invert=True)
    assert back(there(WORDS)).tolist() == WORDS


def test_vocabularies_with_and_without_special_tokens():
    options = {"mask_token": "", "num_oov_indices": 2}
    whole = ["", "[UNK]", "[UNK]", "a", "b"]
    for given in (["a", "b"], whole, np.array(whole), (b"a", b"b")):
        layer = StringLookup(vocabulary=given, **options)
        assert layer.get_vocabulary() == whole
        assert layer.get_vocabulary(include_special_tokens=False) == ["a", "b"]
        assert layer.vocabulary_size() == 5
    assert StringLookup().get_vocabulary() == ["[UNK]"]
    hot = StringLookup(vocabulary=["a"], mask_token="", output_mode="count")
    assert hot.get_vocabulary() == ["[UNK]", "a"]


def test_a_text_file(tmp_path):
    (tmp_path / "words.txt").write_text("a\nb\né\n", "utf-8")
    (tmp_path / "numbers.txt").write_text("7\n5\n", "utf-8")
    words = StringLookup(vocabulary=str(tmp_path / "words.txt"))
    assert words.get_config()["vocabulary"] == ["[UNK]", "a", "b", "é"]
    assert IntegerLookup(vocabulary=tmp_path / "numbers.txt").get_vocabulary() == [-1, 7, 5]


DOCUMENTS = [["b", "a", "b"], ["c", "b", "[UNK]"], ["a", "d", ""]]


@pytest.mark.parametrize(
    "data",
    [DOCUMENTS, np.array(DOCUMENTS), (row for row in np.array(DOCUMENTS)), np.ravel(DOCUMENTS)],
    ids=["lists", "array", "batches", "flat"],
)
def test_adapt_orders_by_frequency(data):
    layer = StringLookup(mask_token="", max_tokens=5)
    layer.adapt(data)
    assert layer.get_vocabulary() == ["", "[UNK]", "b", "a", "d"]


def test_adapt_to_integers():
    layer = IntegerLookup()
    layer.adapt(np.array([[3, 3, 5], [8, 5, -1]]))
    assert layer.get_vocabulary() == [-1, 5, 3, 8]
    layer.adapt((np.array([k]) for k in range(9)), steps=2)
    assert layer.get_vocabulary() == [-1, 1, 0]


@pytest.mark.parametrize("pad", [False, True])
def test_adapt_finds_document_frequencies(pad):
    options = {"output_mode": "tf_idf", "max_tokens": 6, "pad_to_max_tokens": pad}
    layer = StringLookup(**options)
    layer.adapt(DOCUMENTS)
    assert layer.get_vocabulary() == ["[UNK]", "b", "a", "d", "c", ""]
    weights = np.log(1 + 3 / (1 + np.array([2.0, 2.0, 1.0, 1.0, 1.0])))
    expected = [[weights.mean(), 2 * weights[0], 0, 0, 0, 0]]
    np.testing.assert_allclose(layer([["b", "x", "b"]]), expected, rtol=1e-6)
    again = StringLookup.from_config(json.loads(json.dumps(layer.get_config())))
    assert (again([["b", "x", "b"]]) == layer([["b", "x", "b"]])).all()
    alone = StringLookup(output_mode="tf_idf")
    alone.adapt(["a", "b", "a"])  # each string is a document
    np.testing.assert_allclose(alone(["b"])[2], np.log(1 + 3 / 2), rtol=1e-6)


def test_models_begin_with_text():
    model = Sequential([StringLookup(vocabulary=WORDS), layers.Embedding(4, 2), layers.Flatten()])
    expected = model(np.array(TEXT))
    assert (model(TEXT) == expected).all()
    ids = model.layers[0](TEXT)
    assert (model(ids) == expected).all()
    assert (Sequential(model.layers[1:])(ids) == expected).all()
    model.compile("sgd", "mse")
    model.fit(ids, np.zeros((2, 6)), verbose=0)
    plan = model.plan((2, 3))
    assert plan.count_params() == 8 and not plan.unused


def test_vocabularies_in_files_and_clones(tmp_path):
    words, numbers = StringLookup(), IntegerLookup(output_mode="tf_idf")
    words.adapt(TEXT)
    numbers.adapt(INPUTS)
    for name, model, inputs in (
        ("words", Sequential([words, layers.Embedding(9, 2)]), TEXT),
        ("numbers", Sequential([numbers, layers.Dense(2)]), INPUTS),
    ):
        expected = model(inputs)
        model.compile("sgd", "mse")
        model.save(tmp_path / name)
        assert jnp.array_equal(lamina.load(tmp_path / name)(inputs), expected)
        twin = lamina.models.clone_model(model)
        twin.set_weights(model.get_weights())
        assert jnp.array_equal(twin(inputs), expected)
        assert deserialize(serialize(model)).layers[0].get_vocabulary() == (
            model.layers[0].get_vocabulary()
        )


def test_files_and_configs_name_no_text_files(tmp_path, monkeypatch):
    path = tmp_path / "words.txt"
    path.write_text("secret")
    config = StringLookup().get_config() | {"vocabulary": str(path)}
    with pytest.raises(InputError, match="from the path"):
        StringLookup.from_config(config)
    layer = StringLookup(vocabulary=WORDS)
    with pytest.raises((InputError, FileFormatError), match="from the path"):
        deserialize(serialize(layer) | {"config": config})
    model = Sequential([layer, layers.Embedding(4, 2)])
    model(TEXT)
    layer._lamina.keywords["vocabulary"] = str(path)
    monkeypatch.setattr(models, "_check_remade", lambda *_: None)
    model.save(tmp_path / "model")
    with pytest.raises((InputError, FileFormatError), match="from the path"):
        lamina.load(tmp_path / "model")


def test_configs_of_keras():
    extra = {"vocabulary_size": 4, "has_input_vocabulary": True, "dtype": "string"}
    layer = StringLookup.from_config({"vocabulary": WORDS, "sparse": False, **extra})
    assert layer(WORDS).tolist() == [1, 2, 3]


def test_programs_take_a_new_vocabulary():
    layer = IntegerLookup()
    layer.adapt(np.array([5, 5, 3]))
    fast = lamina.jit(layer)
    assert fast(jnp.array([5, 3])).tolist() == [1, 2]
    layer.set_vocabulary([3, 5])
    assert fast(jnp.array([5, 3])).tolist() == [2, 1]


def test_integers_in_graphs_and_transforms():
    x = Input((3,), dtype="int32")
    lookup = IntegerLookup(vocabulary=NUMBERS, output_mode="count")
    model = Model(x, layers.Dense(2)(lookup(x)))
    assert model(INPUTS).shape == (2, 2)
    assert jnp.array_equal(jax.vmap(lambda row: lookup(row))(INPUTS), lookup(INPUTS))
    assert lookup(INPUTS.astype("float32")).tolist() == lookup(INPUTS).tolist()


@pytest.mark.parametrize("call", [jax.jit, lambda f: lambda x: f(Input((3,), dtype="int32"))])
def test_text_in_programs_names_the_remedy(call):
    layer = StringLookup(vocabulary=WORDS)
    with pytest.raises(InputError, match="first layer of a Sequential"):
        call(lambda x: layer(x))(jnp.ones(3))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: StringLookup(max_tokens=1),
        lambda: StringLookup(num_oov_indices=-1),
        lambda: StringLookup(pad_to_max_tokens=True),
        lambda: StringLookup(output_mode="hot"),
        lambda: StringLookup(output_mode="count", invert=True),
        lambda: StringLookup(sparse=True, output_mode="count"),
        lambda: StringLookup(mask_token=3),
        lambda: StringLookup(encoding="no such"),
        lambda: StringLookup(idf_weights=[1.0]),
        lambda: StringLookup(vocabulary=[]),
        lambda: StringLookup(vocabulary=["a", "a"]),
        lambda: StringLookup(vocabulary=["a", ""], mask_token=""),
        lambda: StringLookup(vocabulary=["a", "[UNK]"], invert=True),
        lambda: StringLookup(vocabulary=[1, 2]),
        lambda: StringLookup(vocabulary=3),
        lambda: StringLookup(vocabulary=WORDS, max_tokens=3),
        lambda: StringLookup(vocabulary=WORDS, output_mode="tf_idf"),
        lambda: StringLookup(vocabulary=WORDS, idf_weights=[1.0, 2.0, 3.0]),
        lambda: StringLookup(vocabulary=WORDS, output_mode="tf_idf", idf_weights=[1.0]),
        lambda: StringLookup(vocabulary="/no/such/file"),
        lambda: StringLookup()(TEXT),
        lambda: StringLookup(vocabulary=WORDS)(INPUTS),
        lambda: StringLookup(vocabulary=WORDS)([["a"], ["b", "c"]]),
        lambda: StringLookup(vocabulary=WORDS, invert=True)(TEXT),
        lambda: StringLookup(vocabulary=WORDS).adapt(TEXT),
        lambda: StringLookup().adapt([]),
        lambda: StringLookup().adapt(INPUTS),
        lambda: IntegerLookup(vocabulary_dtype="int32"),
        lambda: IntegerLookup(oov_method="other"),
        lambda: IntegerLookup(salt=3),
        lambda: IntegerLookup(mask_token="a"),
        lambda: IntegerLookup(vocabulary=["a"]),
        lambda: IntegerLookup(vocabulary=[1.5]),
        lambda: IntegerLookup(vocabulary=NUMBERS, oov_token=None, invert=True)(INPUTS),
        lambda: IntegerLookup().adapt(TEXT),
    ],
)
def test_wrong_options_and_inputs_are_refused(wrong):
    with pytest.raises(InputError):
        wrong()
