"""Whole models: the class and its arguments come back; nothing in a file is executed."""

import dataclasses
import functools
import json
import math
import subprocess
import sys
import types
from collections import OrderedDict
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import lamina
from lamina import Layer, Model, Sequential, Spec, activations, initializers, layers, saving
from lamina.errors import BuildError, FileFormatError, LaminaError

X = jnp.ones((2, 3))


def squared(x):
    return x * x


@dataclasses.dataclass(frozen=True)
class Config:
    units: int = 4
    rates: tuple[float, ...] = (0.1, 0.2)


class Net(Model):
    """Keeps what it is given, in whatever way it is given."""

    def __init__(self, units, *further, head=None, **options) -> None:
        super().__init__()
        self.given = (units, further, head, options)
        self.body = layers.Dense(units if isinstance(units, int) else 4)
        self.head = head

    def call(self, x):
        x = self.body(x)
        return x if self.head is None else self.head(x)


class Outer:
    class Inner(Net):
        pass


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.lamina"


def round_trip(model, path, x=X, **options):
    expected = model(x)
    saving.save(model, path)
    loaded = lamina.load(path, **options)
    assert type(loaded) is type(model)
    assert list(loaded.values()) == list(model.values())
    np.testing.assert_array_equal(expected, loaded(x))
    return loaded


def tampered(path, change) -> None:
    """Rewrite a file with another description of the model."""
    with safe_open(path, "np") as file:
        content = json.loads(file.metadata()["lamina"])
    change(content)
    save_file(load_file(path), path, {"lamina": json.dumps(content)})


PLAIN = [
    (4, None, True, False, 1.5, "text", -(2**70)),
    (4, (), [], {}, (1, [2, (3,)]), {"a": {1: None}, None: (1,), (1, 2): 3}),
    (4, math.inf, -math.inf, 1e-300, 0.1 + 0.2, 3 - 4j),
    (4, Spec((None, "time", 3), "bfloat16"), jnp.float32, jnp.dtype("bfloat16"), np.int8),
    (4, Config(7, (0.5,)), [Config()]),
]


@pytest.mark.parametrize("given", PLAIN)
def test_plain_arguments_come_back(path, given) -> None:
    model = Net(*given, option=given[-1])
    loaded = round_trip(model, path, custom_objects={"Config": Config})
    assert loaded.given == (given[0], given[1:], None, {"option": given[-1]})
    assert [type(v) for v in loaded.given[1]] == [
        np.dtype if isinstance(v, type) else type(v) for v in given[1:]
    ] or any(isinstance(v, np.dtype) for v in given)


class Pair(NamedTuple):
    left: object
    right: object


class Summing(Model):
    def __init__(self, weights=None) -> None:
        super().__init__()
        self.weights, self.dense = weights, layers.Dense(2)

    def call(self, pair):
        return self.dense(pair.left) + self.dense(pair.right)


@pytest.mark.parametrize("weights", [None, Pair(1, 2), Config(3)])
def test_classes_of_data_come_from_the_caller(path, weights) -> None:
    model = Summing(weights)
    expected = model(Pair(X, X))
    model.save(path)
    with pytest.raises(FileFormatError, match=r"Pass custom_objects=\{'(Pair|Config)'"):
        lamina.load(path)
    known = {"Pair": Pair, f"{__name__}.Config": Config}
    loaded = lamina.load(path, custom_objects=known)
    assert loaded.weights == weights and type(loaded.weights) is type(weights)
    np.testing.assert_array_equal(loaded(Pair(X, X)), expected)


def test_nan_and_arrays_come_back(path) -> None:
    arrays = [np.arange(6, dtype="int16").reshape(2, 3), np.float32(0.1), jnp.ones(3, "bfloat16")]
    _, (nan, *loaded), _, _ = round_trip(Net(4, math.nan, *arrays), path).given
    assert math.isnan(nan)
    for one, other in zip(arrays, loaded, strict=True):
        assert isinstance(other, jax.Array) == isinstance(one, jax.Array)
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_array_equal(one, other)


FUNCTIONS = [
    activations.relu,
    activations.hard_silu,
    jax.nn.gelu,
    jnp.tanh,
    functools.partial(activations.leaky_relu, negative_slope=0.3),
    functools.partial(jax.nn.elu, alpha=2.0),
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_known_functions_come_back(path, function) -> None:
    round_trip(Sequential([layers.Dense(4, activation=function)]), path, jnp.array([[-1.0, 2.0]]))


@pytest.mark.parametrize(
    "initializer",
    ["he_normal", initializers.RandomNormal(stddev=0.3), initializers.Constant([1.0, 2.0, 3.0])],
)
def test_initializers_come_back(path, initializer) -> None:
    loaded = round_trip(Sequential([layers.Dense(3, kernel_initializer=initializer)]), path)
    assert loaded.layers[0].kernel_initializer == initializers.get(initializer)


def test_layers_among_the_arguments(path) -> None:
    shared = layers.Dense(4)
    head = Sequential([shared, layers.Dropout(0.1), shared, layers.GRU(3)], name="head")
    loaded = round_trip(Net(4, {"again": [shared]}, head=head), path, jnp.ones((1, 2, 3)))
    assert loaded.head.layers[0] is loaded.head.layers[2] is loaded.given[1][0]["again"][0]
    assert loaded.head.name == "head"


def test_a_class_inside_a_class(path) -> None:
    round_trip(Outer.Inner(3), path)


@dataclasses.dataclass(eq=False)
class Record(Layer):
    units: int
    head: Layer | None = None

    def __post_init__(self) -> None:
        self.dense = layers.Dense(self.units)

    def call(self, x):
        x = self.dense(x)
        return x if self.head is None else self.head(x)


def test_a_dataclass_layer(path) -> None:
    round_trip(Record(3, head=layers.Dense(2)), path)


def test_what_is_frozen_stays_frozen(path) -> None:
    model = Net(4, head=Sequential([layers.BatchNormalization(), layers.Dense(2)]))
    model(X)
    model.head.layers[1].trainable = False
    model.body.bias.trainable = False
    loaded = round_trip(model, path)
    assert sorted(v.shape for v in loaded.trainable_variables) == [(3, 4), (4,), (4,)]
    assert not loaded.head.layers[1].trainable
    assert loaded.trainable
    model.head.layers[0].gamma.trainable = False
    model.head.layers[1].trainable = True
    assert len(round_trip(model, path).trainable_variables) == 4


def test_loading_goes_on_from_a_trained_model(path) -> None:
    model = Sequential([layers.Dense(3)])
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 2), "float32"), np.ones((8, 3), "float32"), verbose=0)
    loaded = round_trip(model, path, np.ones((8, 2), "float32"))
    loaded.compile("sgd", "mse")
    loaded.fit(np.ones((8, 2), "float32"), np.ones((8, 3), "float32"), verbose=0)


class Weighty(Layer):
    def build(self, shape):
        self.weight = self.add_weight(shape)

    def call(self, x):
        return x


def locally_made():
    def inside(x):
        return x

    return inside


def held_by_itself() -> list:
    items: list = []
    items.append(items)
    return items


def a_weight():
    layer = Weighty()
    layer(X)
    return layer.weight


REFUSED = [
    (lambda x: x, r"a lambda"),
    (locally_made(), r"a function made inside a function"),
    (functools.partial(lambda x: x, 1), r"a lambda"),
    (object(), r"<object object"),
    ({1, 2}, r"\{1, 2\}"),
    (b"bytes", r"b'bytes'"),
    (np.ones(100_000), r"an array of shape \(100000,\)"),
    (np.array(["a", None]), r"an array of shape \(2,\), object"),
    (held_by_itself(), r"something that contains itself"),
    (jax.nn.initializers.normal(0.02), r"a function made inside a function"),
    (OrderedDict(a=lambda x: x), r"a lambda"),
    (a_weight(), r"a weight of another layer"),
    (open, r"<function open|<built-in function open>"),
]


@pytest.mark.parametrize(("value", "match"), REFUSED)
def test_what_cannot_be_recorded_is_named_before_anything_is_written(path, value, match) -> None:
    for model in (Net(4, head=None, option=value), Net(4, Sequential([Net(2, [value])]))):
        model(X)
        with pytest.raises(LaminaError, match=match) as error:
            saving.save(model, path)
        assert "cannot be saved" in str(error.value)
    assert not path.exists()


def test_the_argument_is_named(path) -> None:
    model = Net(4, head=Sequential([layers.Dense(2, activation=lambda x: x)]))
    model(X)
    with pytest.raises(LaminaError) as error:
        saving.save(model, path)
    assert str(error.value).splitlines()[0] == (
        "The argument 'activation' of Dense, in [0] of the argument 'layers' of Sequential, in the "
        "argument 'head' of Net cannot be saved."
    )


def test_an_unbuilt_model_is_not_saved(path) -> None:
    with pytest.raises(BuildError, match="Net is not built"):
        Net(4).save(path)
    assert not path.exists()


class Mutable(Model):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = layers.Dense(4), layers.Dense(2)

    def call(self, x):
        return self.head(self.body(x))


def test_a_model_changed_after_it_was_made_is_not_saved_whole(path) -> None:
    model = Mutable()
    model(X)
    model.head = layers.Dense(5)
    model(X)
    with pytest.raises(BuildError) as error:
        model.save(path)
    assert "head.kernel: (4, 5) float32 here, (4, 2) float32 in the other model" in str(error.value)
    assert not path.exists()
    model.save_weights(path)
    again = Mutable()
    again.head = layers.Dense(5)
    again.load_weights(path)
    np.testing.assert_array_equal(model(X), again(X))


def test_layers_without_weights_are_compared_too(path) -> None:
    model = Sequential([layers.Dense(2), layers.Activation("relu"), layers.Dropout(0.1)])
    model(X)
    assert round_trip(model, path)
    model.layers[1] = layers.Activation("tanh")
    with pytest.raises(BuildError, match=r"layers\.1: made with other arguments"):
        model.save(path)
    model.layers[1] = layers.Flatten()
    with pytest.raises(BuildError, match=r"layers\.1: Flatten here, Activation in the other model"):
        model.save(path)


def test_dtypes_of_inner_layers(path) -> None:
    model = Net(4, head=Sequential([layers.Dense(2, dtype=jnp.bfloat16), layers.Dense(2)]))
    assert round_trip(model, path).head.layers[0].kernel.dtype == jnp.bfloat16


class Forgetful(Layer):
    """Cannot be made again: it takes what is no longer there."""

    made = 0

    def __init__(self) -> None:
        super().__init__()
        Forgetful.made += 1
        if Forgetful.made > 1:
            raise RuntimeError("only once")

    def call(self, x):
        return x


def test_a_model_that_cannot_be_made_again(path) -> None:
    model = Forgetful()
    model(X)
    with pytest.raises(
        BuildError, match=r"cannot be saved as a whole(.|\n)*RuntimeError: only once"
    ):
        saving.save(model, path)
    assert not path.exists()


def test_a_function_of_ones_own_is_given_back_by_name(path) -> None:
    model = Sequential([layers.Dense(3, activation=squared)])
    model(X)
    saving.save(model, path)
    with pytest.raises(FileFormatError, match=r"custom_objects=\{'squared': squared\}"):
        lamina.load(path)
    for name in ("squared", f"{__name__}.squared", f"{__name__}:squared"):
        loaded = lamina.load(path, custom_objects={name: squared})
        np.testing.assert_array_equal(model(X), loaded(X))


def test_a_class_made_in_a_function(path) -> None:
    class Local(Net):
        pass

    model = Local(4)
    model(X)
    model.save(path)
    with pytest.raises(FileFormatError, match=r"custom_objects=\{'Local': Local\}"):
        lamina.load(path)
    assert type(lamina.load(path, custom_objects={"Local": Local})) is Local


def test_weights_alone_are_no_model(path) -> None:
    model = Net(4)
    model(X)
    model.save_weights(path)
    with pytest.raises(FileFormatError, match="contains only weights"):
        lamina.load(path)
    model.save(path)
    Net(4).load_weights(path)


# Files made with bad intentions.


def named(name):
    def change(content) -> None:
        content["model"]["class"] = name

    return change


@pytest.mark.parametrize(
    "name",
    [
        "subprocess:Popen",
        "os:system",
        "builtins:object",
        "builtins:eval",
        "not_there:Net",
        "lamina.layers:NotThere",
        "lamina.errors:LaminaError",
        "lamina.nowhere.else:Net",
        "lamina.__main__:main",
        "lamina.core.tree.node:Tracked.__init__",
        "antigravity:Layer",
        ":",
        "",
        "a:b:c",
        f"{__name__}:Config",
        f"{__name__}:Net.__init__.__globals__",
    ],
)
def test_only_layers_that_are_there_are_made(path, name) -> None:
    model = Net(4)
    model(X)
    model.save(path)
    tampered(path, named(name))
    modules = set(sys.modules)
    with pytest.raises(FileFormatError):
        lamina.load(path)
    assert {name for name in set(sys.modules) - modules if not name.startswith("lamina")} == set()


ARGUMENTS = [
    {"is": "function", "name": "os:system"},
    {"is": "function", "name": "builtins:eval"},
    {"is": "function", "name": "jax.numpy:jax.eval"},
    {"is": "function", "name": "lamina.saving.models:load"},
    {"is": "dataclass", "class": "dataclasses:Field", "fields": {}},
    {"is": "dataclass", "class": "inspect:Parameter", "fields": {}},
    {"is": "namedtuple", "class": "subprocess:Popen", "items": ["true"]},
    {"is": "class", "class": "subprocess:Popen"},
    {"is": "nothing known"},
    {"is": "same", "number": 99},
    {"is": "array", "dtype": "object", "shape": [1], "base64": "AAAAAAAAAAA="},
    {"is": "array", "dtype": "float32", "shape": [3], "base64": "AAAA"},
    {"is": "_make"},
    {"no": "tag"},
]


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_bad_arguments_in_a_file(path, argument) -> None:
    model = Net(4)
    model(X)
    model.save(path)
    tampered(path, lambda content: content["model"]["args"].append(argument))
    with pytest.raises(FileFormatError):
        lamina.load(path)


def test_arguments_that_the_class_does_not_take(path) -> None:
    model = Mutable()
    model(X)
    model.save(path)
    tampered(path, lambda content: content["model"]["args"].append(4))
    with pytest.raises(FileFormatError, match="Mutable cannot be made with the arguments"):
        lamina.load(path)


# Another process.

DEFINING = """
import jax.numpy as jnp
from lamina import Model, layers, initializers

class Net(Model):
    def __init__(self, units, inner):
        super().__init__()
        self.first, self.inner = layers.Dense(units, activation="tanh"), inner

    def call(self, x, flip=False):
        x = self.inner(self.first(x))
        return -x if flip else x
"""

LOADING = """
import sys, numpy as np, jax.numpy as jnp, lamina
try:
    lamina.load(sys.argv[1])
except lamina.errors.FileFormatError as error:
    print(error)
    assert "nets" not in sys.modules
import nets
outputs = lamina.load(sys.argv[1])(jnp.arange(6.0).reshape(2, 3), flip=True)
assert np.asarray(outputs).tobytes() == np.load(sys.argv[2]).tobytes()
print("the same")
"""


def test_another_process_loads_it(tmp_path, monkeypatch) -> None:
    (tmp_path / "nets.py").write_text(DEFINING)
    paths = [str(tmp_path / "model.lamina"), str(tmp_path / "outputs.npy")]
    nets = types.ModuleType("nets")
    monkeypatch.setitem(sys.modules, "nets", nets)
    exec(DEFINING, vars(nets))
    dense = layers.Dense(2, kernel_initializer=initializers.HeNormal())
    model = nets.Net(3, Sequential([dense]))
    outputs = model(jnp.arange(6.0).reshape(2, 3), flip=True)
    model.save(paths[0])
    np.save(paths[1], outputs)
    command = [sys.executable, "-c", LOADING, *paths]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "the module 'nets', which is not imported; files import no modules" in done.stdout
    assert "Import the module that defines it first, or pass custom_objects" in done.stdout
    assert done.stdout.endswith("the same\n")
