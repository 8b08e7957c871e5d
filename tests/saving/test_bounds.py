"""A file can only request what its arrays justify: sizes are checked before allocation."""

import contextlib
import json
import os
import tracemalloc

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

import lamina
from lamina import Input, Layer, Model, Sequential, json_text, layers
from lamina.core.base.load_limits import Allowance
from lamina.errors import BuildError, FileFormatError
from lamina.json_text import DEEPEST, MOST_VALUES, read_json
from tests.fuzz.mutations import tensors, written
from tests.saving.crafted import DENSE, SEQUENTIAL, builds, graph, layer, ref, spec, step, write

GRU = "lamina.layers:GRU"
KERNEL, BIAS = np.ones((2, 2), "float32"), np.ones(2, "float32")
WEIGHTS = {"layers.0.kernel": KERNEL, "layers.0.bias": BIAS}
SAME = {"is": "same", "number": 0}
_MOST_MEMORY = 200 << 20


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.lamina"


def refused(path, match, load=lamina.load) -> str:
    with pytest.raises(FileFormatError, match=match) as error:
        load(path)
    assert "remedy:" in str(error.value)
    return str(error.value)


@contextlib.contextmanager
def little_memory():
    """See that no array is made of a size that a file only tells of."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < _MOST_MEMORY
    finally:
        tracemalloc.stop()


# How many.


def test_one_layer_called_20_000_times(path) -> None:
    row = [layer(DENSE, 2), *[SAME] * 19_999]
    write(path, layer(SEQUENTIAL, row, number=1), WEIGHTS)
    refused(path, "too many calls of the same layers")
    calls = [step("d", ref(at)) for at in range(20_000)]
    arrays = {"d.kernel": KERNEL, "d.bias": BIAS}
    write(path, graph({"d": layer(DENSE, 2)}, *calls), arrays)
    refused(path, "too many calls of the same layers")


def test_calls_that_double_at_each_level(path) -> None:
    inner = layer(SEQUENTIAL, [layer(DENSE, 2)], number=1)
    for number in range(2, 32):
        inner = layer(SEQUENTIAL, [inner, {"is": "same", "number": number - 1}], number=number)
    write(path, inner, WEIGHTS)
    refused(path, "too many calls of the same layers")


@pytest.mark.parametrize(
    "kind",
    [
        "lamina.seq2seq:Seq2Seq",
        "lamina.seq2seq:Transformer",
    ],
)
def test_layers_by_a_number(path, kind) -> None:
    write(path, layer(kind, 9, 9, num_layers=10**7), WEIGHTS)
    refused(path, "too many layers")


def test_layers_that_make_others_anew(path) -> None:
    inner = layer(GRU, 2)
    for number in range(1, 30):
        wrapped = layer("lamina.layers:RNN", inner, number=100 + number)
        inner = layer("lamina.layers:Bidirectional", wrapped, number=number)
    write(path, inner)
    refused(path, "cannot be made|too many layers")


def test_more_layers_than_arrays(path) -> None:
    row = [layer(DENSE, 2, number=number) for number in range(3_000)]
    write(path, layer(SEQUENTIAL, row, number=9_999), WEIGHTS)
    refused(path, "too many weights")
    row = [layer("lamina.layers:Identity", number=number) for number in range(17_000)]
    write(path, layer(SEQUENTIAL, row, number=99_999), WEIGHTS)
    refused(path, "too many layers")


class Looping(Layer):
    """Calls a layer as often as its input has steps."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = layers.Dense(2)

    def call(self, x):
        for _ in range(x.shape[1]):
            x = self.cell(x)
        return x


def test_a_size_in_a_file_of_weights_does_not_say_how_often_a_layer_is_called(path) -> None:
    arrays = {"cell.kernel": KERNEL, "cell.bias": BIAS}
    write(path, None, arrays, builds=builds(spec(1, 2**31 - 1, 2)))
    refused(path, "too many calls of the same layers", Looping().load_weights)
    write(path, None, arrays, builds=builds(spec(1, 300, 2)))
    Looping().load_weights(path)
    write(path, None, arrays, builds=builds(spec(1, 2**31 - 1, 2)))
    built = Looping()
    built.build((1, 3, 2))
    built.load_weights(path)
    np.testing.assert_array_equal(built.cell.kernel, KERNEL)


def test_builds_that_lead_nowhere(path) -> None:
    row = [layer("lamina.layers:Identity", number=number) for number in range(200)]
    described = layer(SEQUENTIAL, row, number=999)
    every = [*builds(), *(b for at in range(200) for b in builds(path=f"layers.{at}"))]
    arrays = {f"layers.{at}.nowhere": np.ones(1, "float32") for at in range(200)}
    write(path, described, arrays, builds=every)
    assert "unexpected: layers.0.nowhere" in refused(path, "does not match")


def test_large_models_that_account_for_themselves_are_loaded(path) -> None:
    model = Sequential([layers.Dense(2) for _ in range(300)])
    model.build((None, 2))
    model.save(path)
    assert len(lamina.load(path).layers) == 300
    dense = layers.Dense(2)
    model = Sequential([dense for _ in range(800)])
    model.build((None, 2))
    model.save(path)
    loaded = lamina.load(path)
    assert loaded.layers[0] is loaded.layers[799]
    x = start = Input((2,))
    for _ in range(50):
        x = dense(x) * 2
    Model(start, x).save(path)
    assert len(lamina.load(path).graph.steps) == 100


# How large.

HUGE = 10**12
ONE = layer(DENSE, HUGE)


@pytest.mark.parametrize(
    ("described", "shape", "match"),
    [
        (ONE, (None, 2), "does not match"),
        (layer(DENSE, 2), (None, 2**31 - 1), "does not match"),
        (layer(SEQUENTIAL, [layer(DENSE, HUGE, input_shape=[2])], number=1), (None, 2), "numbers"),
        (layer(SEQUENTIAL, [layer(DENSE, 2, input_dim=HUGE)], number=1), (None, 2), "numbers"),
        (layer(GRU, 2, input_shape=[HUGE, HUGE]), (1, 2, 2), "does not match"),
        (layer(GRU, 10**9), (1, 5, 2), "does not match"),
        (layer("lamina.layers:LSTM", 10**9), (1, 5, 2), "does not match"),
        (layer("lamina.layers:ConvLSTM1D", 10**9, 1), (1, 3, 9, 2), "not match"),
        (layer(GRU, 2), (1, 2**31 - 1, 2), "does not match"),
        (layer("lamina.layers:Embedding", HUGE, HUGE), (None, 2), ""),
        (
            layer("lamina.layers:Conv2D", 2, 10**9),
            (1, 9, 9, 2),
            "cannot be built",
        ),
        (
            layer("lamina.layers:AveragePooling2D", 2, 1, "same"),
            (1, 2**20, 2**20, 1),
            "",
        ),
        (layer("lamina.layers:AdaptiveMaxPooling1D", HUGE), (1, 9, 1), "too many"),
        (
            layer("lamina.layers:AdaptiveAveragePooling2D", 2),
            (1, 2**31 - 1, 9, 1),
            "too many",
        ),
        (
            layer("lamina.layers:SpectralNormalization", layer(DENSE, 2, number=1), HUGE),
            (None, 2),
            "does not match",
        ),
        (layer("lamina.layers:MultiHeadAttention", HUGE, HUGE), (1, 2, 2), ""),
        (layer("lamina.seq2seq:Seq2Seq", HUGE, HUGE, embedding=HUGE), (1, 2), ""),
    ],
)
def test_weights_are_known_before_they_are_made(path, described, shape, match) -> None:
    write(path, described, {"other": BIAS}, builds=builds(spec(*shape)))
    with little_memory():
        refused(path, match or "does not match|cannot be built")


def test_shared_arrays_do_not_stand_for_many(path) -> None:
    row = [layer(DENSE, 512, number=number) for number in range(50)]
    names = [f"layers.{at}" for at in range(50)]
    arrays = {
        "layers.0.kernel": np.ones((512, 512), "float32"),
        "layers.0.bias": np.ones(512, "float32"),
    }
    aliases = {f"{n}.{w}": f"layers.0.{w}" for n in names[1:] for w in ("kernel", "bias")}
    made = layer(SEQUENTIAL, row, number=99)
    write(path, made, arrays, aliases=aliases, builds=builds(spec(None, 512)))
    with little_memory():
        refused(path, "describes a larger model than its arrays can fill")


@pytest.mark.parametrize("deep", [DEEPEST + 1, 100_000])
@pytest.mark.parametrize("kind", ["[]", "{}"])
def test_depth(path, deep, kind) -> None:
    value = "[" * deep + "]" * deep if kind == "[]" else '{"is":' * deep + "0" + "}" * deep
    content = json.dumps({"version": 1, "model": 0}).replace(": 0", f": {value}")
    save_file({"x": BIAS}, path, {"lamina": content})
    refused(path, f"nested lists and objects, more than {DEEPEST}")
    refused(path, f"nested lists and objects, more than {DEEPEST}", layers.Dense(2).load_weights)


def test_depth_of_layers(path) -> None:
    inner = layer(DENSE, 2)
    for number in range(1, 40):
        inner = layer(SEQUENTIAL, [inner], number=number)
    name = ".".join(["layers.0"] * 39)
    write(path, inner, {f"{name}.kernel": KERNEL, f"{name}.bias": BIAS})
    assert lamina.load(path)(jnp.ones((1, 2))).shape == (1, 2)


def test_a_model_that_is_too_deep_to_be_read_is_not_written(path) -> None:
    model = Sequential([layers.Dense(2)])
    for _ in range(70):
        model = Sequential([model])
    model.layers[0].build((None, 2))
    with pytest.raises(BuildError, match="too large to be read again"):
        model.save(path)
    assert not path.exists()


def test_values_are_counted_before_they_are_parsed(path, monkeypatch) -> None:
    monkeypatch.setattr(json_text.json, "loads", None)
    for text in ("[" + "0," * MOST_VALUES + "0]", "[" + "[]," * MOST_VALUES + "0]"):
        with pytest.raises(FileFormatError, match=f"more than {MOST_VALUES:,}"):
            read_json(text, "it")
    monkeypatch.setattr(json_text, "MOST_TEXT", 100)
    with pytest.raises(FileFormatError, match="101 characters, more than 100"):
        read_json('"' + "x" * 99 + '"', "it")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["[[[[", "\\"[[[", "\\\\", {"a]": "}"}]', ["[[[[", '"[[[', "\\", {"a]": "}"}]),
        ("1e5", 1e5),
        ('"\\ud83d\\ude00,,,"', "😀,,,"),
        ('"' + "[" * 10_000 + '"', "[" * 10_000),
    ],
)
def test_texts_do_not_count(text, value) -> None:
    assert read_json(text, "it") == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "[", '["', '["\\', "]", "[]]", "{]", "nan", "NaN", "[Infinity]", "-Infinity", "[1,]"),
        *('{"a": 1, "a": 1}', '{"a": {"b": 1, "b": 2}}', "9" * 5_000, "\ufeff[]", "\x00", "'a'"),
    ],
)
def test_text_that_is_not_json(text) -> None:
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_json(text, "it")


def test_an_allowance_grows_with_the_arrays() -> None:
    for arrays in (0, 1_000):
        allowance = Allowance("file", arrays, 0)
        for _ in range(16_384 + 20 * arrays):
            allowance.layer()
        with pytest.raises(FileFormatError, match="too many layers"):
            allowance.layer()
        allowance.trace()
        for _ in range(8_192 + 2 * arrays):
            allowance.call(again=True)
        with pytest.raises(FileFormatError, match="calls of the same layers"):
            allowance.call(again=True)
        allowance.trace()
        allowance.call(again=True)
    assert Allowance("file", 0, None).draw(10**12)
    assert not Allowance("file", 0, 10).draw(1_048_576 + 20)
    with pytest.raises(FileFormatError, match="too many numbers"):
        Allowance("file", 0, 10).draw(1_048_576 + 21)


# The file itself.


def headers():
    def offsets(begin, end, shape=(2,), dtype="F32"):
        return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}

    whole = {"a": offsets(0, 8), "b": offsets(8, 16)}
    return {
        "in each other": whole | {"b": offsets(4, 12)},
        "the same": whole | {"b": offsets(0, 8), "c": offsets(8, 16)},
        "a gap": {"a": offsets(0, 8), "b": offsets(12, 16, (1,))},
        "too little": {"a": offsets(0, 8)},
        "too much": whole | {"c": offsets(16, 24)},
        "backwards": whole | {"b": offsets(16, 8)},
        "negative": whole | {"b": offsets(-8, 16)},
        "beyond": whole | {"b": offsets(8, 2**64)},
        "beyond 63 bits": whole | {"b": offsets(8, 16, (2**63, 0))},
        "a negative shape": whole | {"b": offsets(8, 16, (-1, -2))},
        "a shape of another size": whole | {"b": offsets(8, 16, (3,))},
        "a shape that overflows": whole | {"b": offsets(8, 16, (2**62, 2**3))},
        "a shape of no numbers": whole | {"b": offsets(8, 16, (2.0,))},
        "a shape of bools": whole | {"b": offsets(8, 16, (True, 2))},
        "no shape": whole | {"b": offsets(8, 16) | {"shape": None}},
        "a dtype that is none": whole | {"b": offsets(8, 16, dtype="OBJECT")},
        "no dtype": whole | {"b": offsets(8, 16) | {"dtype": None}},
        "no offsets": whole | {"b": {"dtype": "F32", "shape": [2]}},
        "three offsets": whole | {"b": offsets(8, 16) | {"data_offsets": [8, 12, 16]}},
        "an entry that is none": whole | {"b": 3},
        "a list": [whole],
        "a number": 3,
        "metadata that is none": whole | {"__metadata__": 3},
        "metadata of numbers": whole | {"__metadata__": {"lamina": 3}},
        "metadata of objects": whole | {"__metadata__": {"lamina": {"version": 1}}},
        "a long name": {"a" * 10_000: offsets(0, 16, (4,))},
    }


@pytest.mark.parametrize("name", headers())
def test_headers_are_checked_against_the_file(path, name) -> None:
    path.write_bytes(written(headers()[name], bytes(16)))
    for load in (lamina.load, layers.Dense(2).load_weights, lamina.load_exported):
        refused(path, r"model\.lamina", load)


def test_two_entries_of_one_name(path) -> None:
    entry = '{"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}'
    text = f'{{"a": {entry}, "a": {entry}}}'.encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    refused(path, r"model\.lamina")


@pytest.mark.parametrize("length", [0, 1, 2, 2**27, 2**31, 2**40, 2**63, 2**64 - 1])
def test_lengths_of_headers(path, length) -> None:
    path.write_bytes(length.to_bytes(8, "little") + b"{}")
    for load in (lamina.load, layers.Dense(2).load_weights):
        refused(path, r"model\.lamina|only weights|does not contain", load)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("O", [2, 8]), ("float64", [2, 4]), ("S8", [2, 8]), ("int4", [4, 2]), ("", [8]), ("int4", [])],
)
def test_dtypes_of_arrays_that_are_stored_as_bytes(path, kind, shape) -> None:
    stored = {"kernel": np.zeros(shape, "uint8")}
    write(path, None, stored, dtypes={"kernel": kind})
    refused(path, "an array of an unknown dtype", layers.Dense(2).load_weights)
    write(path, None, {"kernel": np.zeros((4, 4), "float32")}, dtypes={"kernel": "int4"})
    refused(path, "an array of an unknown dtype", layers.Dense(2).load_weights)


@pytest.mark.skipif(os.name != "posix", reason="needs the special files of a POSIX system")
def test_what_is_no_regular_file_is_not_read(path) -> None:
    os.mkfifo(path)
    link = path.with_name("link")
    for target in (path, "/dev/zero", path.parent):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        for load in (lamina.load, layers.Dense(2).load_weights, lamina.load_exported):
            refused(link, "not a regular file|a directory", load)
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(OSError, match="link"):
        lamina.load(link)


def test_a_file_is_read_as_its_header_says(path) -> None:
    model = Sequential([layers.Dense(2)])
    model.build((None, 2))
    model.save(path)
    header, body = tensors(path.read_bytes())
    path.write_bytes(written(header, body))
    np.testing.assert_array_equal(lamina.load(path).layers[0].kernel, model.layers[0].kernel)
