"""Files of weights bring arrays, shapes, paths and aliases: no method but a way in, no text."""

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

import lamina
from lamina import Layer, Model, Sequential, layers
from lamina.errors import FileFormatError
from lamina.saving.build_methods import is_allowed
from lamina.seq2seq import Seq2Seq
from tests.saving.crafted import array, builds, function, layer, partial, spec, write
from tests.saving.watched import nothing_runs


class Mixin:
    def decode(self, x):
        return self.body(x)


class Net(Mixin, Model):
    """A model with a second way in, and methods that are none."""

    def __init__(self) -> None:
        super().__init__()
        self.body = layers.Dense(2)
        self.entered: list[str] = []

    def call(self, x, flag=False):
        return self.body(x)

    def encode(self, x):
        return self.body(x)

    def _private(self, x):
        self.entered.append("_private")
        return self.body(x)

    def save(self, path):
        self.entered.append("save")

    @staticmethod
    def static(x):
        return x

    @property
    def looked(self):
        self.entered.append("looked")
        return 3

    made = layers.Dense(2)


WEIGHTS = {"body.kernel": np.ones((2, 2), "float32"), "body.bias": np.ones(2, "float32")}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights"


def refused(path, model, match=None) -> None:
    with nothing_runs(path.parent), pytest.raises(FileFormatError, match=match) as error:
        model.load_weights(path)
    assert "remedy:" in str(error.value)


METHODS = [
    *("add_loss", "add_weight", "apply", "build", "capture", "compile", "compute_mask"),
    *("compute_output_shape", "count_params", "evaluate", "explain", "export", "fit"),
    *("from_config", "get_config", "get_layer", "get_weights", "load_weights", "plan", "predict"),
    *("predict_on_batch", "profile", "rng", "save", "save_weights", "set_values", "set_weights"),
    *("summary", "test_on_batch", "train_on_batch", "values", "__call__", "__class__"),
    *("__init__", "__new__", "__getattribute__", "__setattr__", "__delattr__", "__reduce__"),
    *("_private", "_trainer", "_lamina", "mro", "static", "looked", "made", "layers", "body"),
    *("entered", "", "call.__func__", "encode ", "nowhere", "\ud800", "x" * 10_000),
]


@pytest.mark.parametrize("method", METHODS)
def test_methods_that_are_no_way_in_are_not_entered(path, method) -> None:
    write(path, None, WEIGHTS, builds=builds(method=method))
    built = Net()
    built.build((None, 2))
    before = np.asarray(built.body.kernel)
    for net in (Net(), built):
        refused(path, net, match="which is not a method for builds")
        assert net.entered == []
    np.testing.assert_array_equal(built.body.kernel, before)
    write(path, None, WEIGHTS, builds=[*builds(), *builds(method=method)])
    refused(path, Net(), match="which is not a method for builds")
    write(path, None, WEIGHTS, builds=[*builds(), *builds(method=method, path="body")])
    refused(path, Net(), match="which is not a method for builds")


def test_a_file_of_weights_does_not_overwrite_another_file(path) -> None:
    target = path.parent / "target"
    target.write_bytes(b"mine")
    for method in ("export", "save_weights", "save"):
        for inputs in ((str(target),), (str(target), spec(None, 2)), ([str(target)],)):
            write(path, None, WEIGHTS, builds=[*builds(), *builds(*inputs, method=method)])
            for net in (Net(), Sequential([layers.Dense(2)]), layers.Dense(2)):
                refused(path, net)
    assert target.read_bytes() == b"mine"


@pytest.mark.parametrize("method", ["call", "encode", "decode"])
def test_ways_in_are_entered(path, method) -> None:
    write(path, None, WEIGHTS, builds=builds(method=method))
    net = Net()
    net.load_weights(path)
    assert list(net._lamina.built.entries) == [method]
    np.testing.assert_array_equal(net.body.kernel, 1)


def test_ways_into_laminas_own_classes_are_listed() -> None:
    model = Seq2Seq(9, 9)
    known = {name for name in dir(model) if is_allowed(model, name)}
    assert known == {"call", "generate", "sample", "score", "search", "train_loss"}
    for kind in (layers.Dense(2), layers.LSTM(2), layers.Normalization(), Sequential()):
        assert [name for name in dir(kind) if is_allowed(kind, name)] == ["call"]


def test_a_way_in_of_a_translator_comes_back(path) -> None:
    model = Seq2Seq(9, 9, embedding=4, units=4)
    found = lamina.jit(model, method="generate")(jnp.ones((1, 3), "int32"), 4)
    model.save_weights(path)
    again = Seq2Seq(9, 9, embedding=4, units=4)
    again.load_weights(path)
    tokens = lamina.jit(again, method="generate")(jnp.ones((1, 3), "int32"), 4).tokens
    np.testing.assert_array_equal(tokens, found.tokens)
    model.save(path)
    assert list(lamina.load(path)._lamina.built.entries) == ["generate"]


def test_a_private_way_in_is_no_part_of_a_file(path) -> None:
    net = Net()
    net.build((None, 2), method="_private")
    net.save_weights(path)
    fresh = Net()
    fresh.load_weights(path)
    assert fresh.entered == []
    np.testing.assert_array_equal(fresh.body.kernel, net.body.kernel)


TEXT = "the name of a file"
INPUTS = [
    TEXT,
    [TEXT],
    {"is": "tuple", "items": [spec(2), TEXT]},
    {"is": "dict", "items": [["a", TEXT]]},
    {"is": "namedtuple", "class": f"{__name__}:Net", "items": []},
    {"is": "namedtuple", "class": "lamina.models:Ref", "items": [0, 0]},
    {"is": "dataclass", "class": "lamina.regularizers:L2", "fields": {}},
    {"is": "class", "class": "lamina.layers:Dense"},
    layer("lamina.layers:Dense", 2),
    function("jax.numpy:tanh"),
    partial("jax.numpy:tanh"),
    array("uint8", [1], "AA=="),
    {"is": "initializer", "config": "zeros"},
    {"is": "dtype", "name": "float32"},
    {"is": "same", "number": 0},
    {"is": "_dict", "items": []},
    {"is": ["spec"]},
    spec(None, -2),
    spec(None, 2**31),
    spec(None, 2.0),
    spec(None, True),
    spec(*[1] * 40),
    spec(None, 2, dtype="object"),
    2**64,
    {"no": "kind"},
]


@pytest.mark.parametrize("given", INPUTS)
def test_inputs_of_builds_are_specs_and_numbers(path, given) -> None:
    for made in (builds(given), builds(spec(None, 2), flag=given), builds(spec(None, 2), given)):
        write(path, None, WEIGHTS, builds=made)
        refused(path, Net())


@pytest.mark.parametrize(
    "made",
    [
        "call",
        [[]],
        [{"path": "", "method": "call"}],
        [{"path": 0, "method": "call", "specs": None}],
        [{"path": "", "method": ["call"], "specs": None}],
        [{"path": "", "method": "call", "specs": []}],
        [{"path": "", "method": "call", "specs": {"args": {}, "kwargs": []}}],
        [{"path": "", "method": "call", "specs": {"args": [], "kwargs": {"x": 1}}}],
        [{"path": "", "method": "call", "specs": {"args": [], "kwargs": [[0, 1]]}}],
        [{"path": "", "method": "call", "specs": {"args": [], "kwargs": [["x"]]}}],
        builds() * 2,
        builds(spec(None, 2), training=True),
        builds(spec(None, 2), rng=1),
        builds(spec(None, 2), method="call", self=1),
        None,
        3,
        {"": "call"},
    ],
)
def test_builds_are_well_formed(path, made) -> None:
    write(path, None, WEIGHTS, builds=made)
    refused(path, Net())


def test_whole_models_enter_by_the_same_ways(path) -> None:
    net = Sequential([layers.Dense(2)])
    net.build((None, 2))
    net.save(path)
    arrays = load_file(path)
    described = layer("lamina.models:Sequential", [layer("lamina.layers:Dense", 2)])
    described["number"] = 1
    write(path, described, arrays)
    np.testing.assert_array_equal(lamina.load(path).layers[0].kernel, net.layers[0].kernel)
    target = path.parent / "target"
    for method in ("export", "save", "add", "pop", "add_weight"):
        write(path, described, arrays, builds=[*builds(), *builds(str(target), method=method)])
        with (
            nothing_runs(path.parent),
            pytest.raises(FileFormatError, match="not a method for builds"),
        ):
            lamina.load(path)


class Far(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.below = layers.Dense(2)

    def call(self, x):
        return self.below(x)


def test_a_layer_that_the_class_no_longer_has_is_passed_over(path) -> None:
    arrays = {"below.kernel": np.ones((2, 2), "float32"), "below.bias": np.ones(2, "float32")}
    write(path, None, arrays, builds=[*builds(), *builds(path="gone", method="export")])
    net = Far()
    with nothing_runs(path.parent):
        net.load_weights(path)
    np.testing.assert_array_equal(net.below.kernel, 1)
