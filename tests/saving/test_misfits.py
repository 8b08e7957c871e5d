"""A file that does not fit: one error that lists everything by path, and nothing is changed."""

import re

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from lamina import Layer, Sequential, layers
from lamina.errors import BuildError, FileFormatError

X = jnp.ones((1, 3))


class Net(Layer):
    def __init__(self, units: int = 4, head: str = "head") -> None:
        super().__init__()
        self.body = layers.Dense(units)
        self.norm = layers.BatchNormalization()
        setattr(self, head, layers.Dense(2))
        self.part = head

    def call(self, x):
        return getattr(self, self.part)(self.norm(self.body(x)))


@pytest.fixture
def path(tmp_path):
    layer = Net()
    layer(X)
    layer.save_weights(tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def state(layer):
    node = layer._lamina
    return (
        dict(layer.__dict__),
        {path: np.asarray(value).tobytes() for path, value in layer.values().items()},
        node.built,
        vars(node.plans.copy()),
    )


def message(error: pytest.ExceptionInfo) -> str:
    text = re.sub(r"'[^']*/([^'/]*)'", r"'\1'", str(error.value))
    return re.sub(r"at \S+/([\w.]+):\d+", r"at \1:LINE", text)


@pytest.mark.parametrize("built", [False, True], ids=["unbuilt", "built"])
def test_everything_is_listed(path, built) -> None:
    layer = Net(5, "top")
    if built:
        layer(X)
    before = state(layer)
    with pytest.raises(FileFormatError) as error:
        layer.load_weights(path)
    assert message(error) == (
        "'net.safetensors' does not match Net: 10 entries.\n"
        "  missing:    top.kernel (5, 2) float32\n"
        "  missing:    top.bias (2,) float32\n"
        "  unexpected: head.bias (2,) float32\n"
        "  unexpected: head.kernel (4, 2) float32\n"
        "  shape:      body.kernel, expected (3, 5) float32, got (3, 4) float32\n"
        "  shape:      body.bias, expected (5,) float32, got (4,) float32\n"
        "  shape:      norm.gamma, expected (5,) float32, got (4,) float32\n"
        "  shape:      norm.beta, expected (5,) float32, got (4,) float32\n"
        "  shape:      norm.moving_mean, expected (5,) float32, got (4,) float32\n"
        "  shape:      norm.moving_variance, expected (5,) float32, got (4,) float32\n"
        "  where:    Net was made at test_misfits.py:LINE\n"
        "  expected: one entry for each of 8 weights; nothing was changed\n"
        "  received: 8 entries\n"
        "  remedy:   Did you mean 'head.kernel'?"
    )
    assert state(layer) == before


def test_the_remedy_names_the_rename(path) -> None:
    layer = Net(head="top")
    with pytest.raises(FileFormatError, match=r"pass rename=\{'head': 'top'\}"):
        layer.load_weights(path)
    layer.load_weights(path, rename={"head": "top"})
    assert layer.built


def test_other_inputs(path) -> None:
    layer = Net()
    layer(jnp.ones((1, 7)))
    before = state(layer)
    with pytest.raises(FileFormatError, match=r"shape:      body.kernel, expected \(7, 4\)"):
        layer.load_weights(path)
    assert state(layer) == before


class Wide(Net):
    def call(self, x, y):
        return super().call(x) + y


class Renamed(Net):
    def call(self, x):
        return self.head(x.reshape(3, 1, 7))


def test_specs_that_do_not_fit_the_model(path) -> None:
    for layer, received in (Wide(), "InputError: Wide.call does not take"), (Renamed(), "Error: "):
        before = state(layer)
        with pytest.raises(FileFormatError, match=r"cannot be built from the specs in") as error:
            layer.load_weights(path)
        assert received in str(error.value)
        assert "nothing was changed" in str(error.value)
        assert state(layer) == before


class Entered(Net):
    def encode(self, x):
        return self.body(x)


def test_a_way_in_that_is_gone(tmp_path) -> None:
    layer = Entered()
    layer.build((1, 3), method="encode")
    layer.save_weights(tmp_path / "encoded")
    with pytest.raises(FileFormatError, match=r"cannot be built from the specs(.|\n)*'encode'"):
        Net().load_weights(tmp_path / "encoded")


STRAY = layers.Dense(4)


class Straying(Net):
    def call(self, x):
        return self.head(STRAY(x))


def test_a_model_whose_build_fails_says_so(path) -> None:
    layer = Straying()
    with pytest.raises(BuildError, match="not tracked") as error:
        layer.load_weights(path)
    assert any("from the specs in" in note for note in error.value.__notes__)
    assert not layer.built


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"kernel": np.ones((3, 2), "int32")}, r"dtype:      kernel, expected \(3, 2\) float32"),
        ({"kernel": np.ones((3, 2), "complex64")}, r"dtype:      kernel"),
        ({"kernel": np.ones((2, 3), "float32")}, r"shape:      kernel"),
        ({}, r"missing:    kernel \(3, 2\)"),
        ({"kernel": np.ones((3, 2), "float32"), "more": np.ones(1)}, r"unexpected: more \(1,\)"),
    ],
)
def test_kinds_and_shapes_into_a_built_layer(tmp_path, values, match) -> None:
    layer = layers.Dense(2, use_bias=False)
    layer(X)
    before = state(layer)
    save_file(values, tmp_path / "other")
    with pytest.raises(FileFormatError, match=match):
        layer.load_weights(tmp_path / "other")
    assert state(layer) == before


class Counter(Layer):
    def build(self, shape):
        self.count = self.add_weight((2,), "zeros", dtype="int8", trainable=False)
        self.other = self.add_weight((2,), "zeros", dtype="int8", trainable=False)

    def call(self, x):
        return x


def test_whole_numbers_are_never_cut(tmp_path) -> None:
    layer = Counter()
    layer(X)
    good = np.array([3, 100], "int64")
    save_file({"count": good, "other": good}, tmp_path / "good")
    layer.load_weights(tmp_path / "good")
    before = state(layer)
    bad = np.array([1, 300], "int64")
    save_file({"count": bad[:2] * 0, "other": bad}, tmp_path / "bad")
    with pytest.raises(FileFormatError, match="'other' in the file are out of range of int8"):
        layer.load_weights(tmp_path / "bad")
    assert state(layer) == before


def test_a_new_head_is_built_and_the_rest_replaced(path) -> None:
    layer = Net()
    layer(X)
    layer.head = layers.Dense(2)
    layer.load_weights(path)
    other = Net()
    other.load_weights(path)
    np.testing.assert_array_equal(layer(X), other(X))


def test_a_build_that_fails_late_leaves_the_first_part_unbuilt(tmp_path) -> None:
    first = Sequential([layers.Dense(2), layers.Dense(3)])
    for layer, shape in zip(first.layers, [(1, 4), (1, 5)], strict=True):
        layer.build(shape)
    first.save_weights(tmp_path / "two")
    second = Sequential([layers.Dense(2), layers.Dense(9)])
    with pytest.raises(FileFormatError) as error:
        second.load_weights(tmp_path / "two")
    assert "shape:      layers.1.kernel, expected (5, 9)" in str(error.value)
    assert "layers.0" not in str(error.value)
    assert not any(layer.built for layer in second.layers)
    assert second.variables == []
