"""Names in files: what is listed, defined or given is found, and nothing else runs or is read."""

import base64
import importlib.util
import inspect
import pickle
import re
import sys
import types
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Input, Layer, Model, Sequential, activations, layers, losses, metrics
from lamina import constraints as all_constraints
from lamina import models as all_models
from lamina import regularizers as all_regularizers
from lamina import seq2seq as all_seq2seq
from lamina.compat import tf
from lamina.compat.keras.applications import convnext
from lamina.compat.tf.keras import layers as all_tf_layers
from lamina.compat.tf.keras import models as all_tf_models
from lamina.core.tree.node import Tracked
from lamina.errors import FileFormatError
from lamina.saving import allowed_names
from lamina.saving.files import TensorFile
from lamina.saving.lookup import MODULES, Names, label
from tests.saving.crafted import (
    DENSE,
    LAMBDA,
    SEQUENTIAL,
    array,
    builds,
    function,
    graph,
    layer,
    partial,
    ref,
    spec,
    step,
    write,
)
from tests.saving.watched import nothing_runs

X = jnp.ones((2, 2))
WEIGHTS = {"kernel": np.zeros((2, 2), "float32"), "bias": np.zeros(2, "float32")}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.lamina"


def refused(path, match="is not available|damaged|cannot be made|cannot be built") -> None:
    with nothing_runs(path.parent), pytest.raises(FileFormatError, match=match) as error:
        lamina.load(path)
    assert "remedy:" in str(error.value)


def squared(x):
    return x * x


class Own(Layer):
    class Inner(Layer):
        def call(self, x):
            return x

    made = layers.Dense(2)

    def call(self, x):
        return x


Alias = Own

FUNCTIONS = [
    # ways of earlier versions
    "lamina.activations:jax.version.os.popen",
    "lamina.lazy:importlib.import_module",
    "lamina.lazy.importlib:import_module",
    "jax.numpy:load",
    "jax.numpy:save",
    "jax.numpy:__setattr__",
    # of jax.numpy and jax.nn: what reads, writes, prints, sets, calls, or makes room by a number
    "jax.numpy:savez",
    "jax.numpy:fromfile",
    "jax.numpy:frombuffer",
    "jax.numpy:from_dlpack",
    "jax.numpy:set_printoptions",
    "jax.numpy:printoptions",
    "jax.numpy:array_str",
    "jax.numpy:apply_along_axis",
    "jax.numpy:apply_over_axes",
    "jax.numpy:fromfunction",
    "jax.numpy:frompyfunc",
    "jax.numpy:piecewise",
    "jax.numpy:vectorize",
    "jax.numpy:arange",
    "jax.numpy:eye",
    "jax.numpy:full",
    "jax.numpy:linspace",
    "jax.numpy:ones",
    "jax.numpy:pad",
    "jax.numpy:repeat",
    "jax.numpy:tile",
    "jax.numpy:tri",
    "jax.numpy:zeros",
    "jax.numpy:round",
    "jax.numpy:einsum",
    "jax.numpy:split",
    "jax.numpy:ufunc",
    "jax.numpy:jax.eval",
    "jax.numpy:linalg.norm",
    "jax.numpy:__builtins__",
    "jax.numpy:__loader__.get_data",
    "jax.numpy:tanh.__call__",
    "jax.numpy:tanh.lower",
    "jax.nn:initializers.zeros",
    "jax.nn:dot_product_attention",
    "jax.nn:one_hot",
    # of Lamina: what is no listed function, or is not defined where the name says
    "lamina:load",
    "lamina.activations:get",
    "lamina.activations.rectifiers:relu",
    "lamina.activations.rectifiers:jnp.tanh",
    "lamina.activations:jax",
    "lamina.activations:rectifiers",
    "lamina.losses.shapes:float_pair",
    "lamina.activations:rectifiers.relu",
    "lamina.activations.rectifiers:jnp.load",
    "lamina.activations:relu.__globals__",
    "lamina.activations:relu.__class__",
    "lamina.activations:relu.__code__",
    "lamina.compat.tf.compilation:function",
    "lamina.compat.tf.creation:ones",
    "lamina.core.initial.sampling:os.system",
    "lamina.core.base.jax_internals:outside_traces",
    "lamina.losses:get",
    "lamina.losses.loss:reduce",
    "lamina.metrics.metric:functools.partial",
    "lamina.names:re.compile",
    "lamina.ops.dense:dense",
    "lamina.saving.models:load",
    "lamina.saving.models:save",
    "lamina.layers:Dense",
    "lamina.models:Input",
    # of others
    "builtins:__import__",
    "builtins:eval",
    "builtins:exec",
    "builtins:getattr",
    "builtins:open",
    "code:interact",
    "functools:reduce",
    "importlib:import_module",
    "jax:jit",
    "jax:pure_callback",
    "jax.debug:print",
    "jax.lax:map",
    "numpy:fromfile",
    "numpy:load",
    "operator:attrgetter",
    "operator:call",
    "os:system",
    "os.path:os.system",
    "pathlib:Path.write_text",
    "pickle:loads",
    "posix:system",
    "subprocess:call",
    f"{__name__}:squared",
    f"{__name__}:jax.numpy.tanh",
    # no names
    "",
    ":",
    "::",
    "a:b:c",
    "jax.numpy:",
    "jax.numpy: tanh",
    " jax.numpy:tanh",
    "jax.numpy:tanh\x00",
    "jax.numpy.tanh",
    "lamina.activations:relu:",
    "\ud800:\udfff",
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_that_are_not_listed_are_not_found(path, name) -> None:
    target = str(path.parent / "target")
    for activation in (
        function(name),
        partial(name, target),
        partial(name, target, allow_pickle=True, mode="w"),
        {"is": "partial", "function": partial(name), "args": ["true"], "kwargs": {}},
    ):
        write(path, layer(DENSE, 2, activation=activation), WEIGHTS)
        refused(path, match="is not available")
        write(path, layer(LAMBDA, activation), builds=builds())
        refused(path, match="is not available")


class Bomb:
    def __reduce__(self):
        return print, ("unpickled",)


def test_an_array_that_is_a_pickle_is_not_read(path, capsys) -> None:
    np.save(path.parent / "bomb.npy", np.array([Bomb()], object), allow_pickle=True)
    activation = partial("jax.numpy:load", str(path.parent / "bomb.npy"), allow_pickle=True)
    write(path, layer(DENSE, 2, activation=activation), WEIGHTS)
    refused(path)
    stored = base64.b64encode(pickle.dumps(Bomb())).decode()
    write(path, layer(DENSE, 2, bias_initializer=array("object", [1], stored)), WEIGHTS)
    refused(path)
    assert capsys.readouterr().out == ""


CLASSES = [
    "subprocess:Popen",
    "builtins:object",
    "builtins:type",
    "tempfile:NamedTemporaryFile",
    "logging:FileHandler",
    "functools:partial",
    "lamina.core.tree.node:Tracked",
    "lamina.core.tree.node:Node",
    "lamina.core.calling.call:Checkpoint",
    "lamina.core.tree.walk:Memento",
    "lamina.core.tree.variable:Variable",
    "lamina.layers.dense:Dense",
    "lamina.layers.dense:Weighted",
    "lamina.layers.dense:Adaptable",
    "lamina.layers.bases.low_rank:LowRank",
    "lamina.layers.bases.weights:Weighted",
    "lamina.models.model_state:ModelNode",
    "lamina.models.symbol:Symbol",
    "lamina.models:Model.call",
    "lamina.saving.files:TensorFile",
    "lamina.saving.exported:Exported",
    "lamina.training.callbacks.checkpoints:ModelCheckpoint",
    "lamina.training.callbacks.logs:CSVLogger",
    "lamina.training.loop.trainer:Trainer",
    "lamina.translate.serving:Server",
    "lamina.layers:Dense.__init__",
    "lamina.layers:Dense.__mro__",
    "lamina.layers:Dense.__class__",
    "lamina.activations:relu",
    "lamina.layers:AvgPool2D",
    "lamina.models.functional:Graph",
    f"{__name__}:Alias",
    f"{__name__}:Own.made",
    f"{__name__}:Own.call",
    f"{__name__}:Own.Inner.call",
    f"{__name__}:Own.__init__.__globals__",
    f"{__name__}:layers.Dense",
    f"{__name__}:squared",
    f"{__name__}:sys.modules",
    f"{__name__}:refused.<locals>.Local",
    "lamina.layers:Dense ",
]


@pytest.mark.parametrize("name", CLASSES)
def test_classes_that_are_not_listed_are_not_made(path, name) -> None:
    target = str(path.parent / "target")
    for model in (
        layer(name, target),
        layer(SEQUENTIAL, [layer(name, target, "w"), layer(DENSE, 2, number=1)], number=2),
        layer(DENSE, 2, activation={"is": "class", "class": name}),
        layer(DENSE, 2, name={"is": "dataclass", "class": name, "fields": {"filename": target}}),
        layer(DENSE, 2, name={"is": "namedtuple", "class": name, "items": [target]}),
    ):
        write(path, model, WEIGHTS)
        refused(path, match="is not available")


ALLOWED = {
    ("class", DENSE),
    ("dataclass", "lamina.regularizers:L2"),
}


def test_a_class_stands_for_no_data_and_data_for_no_class(path) -> None:
    for name in (DENSE, "lamina.models:Graph", "lamina.regularizers:L2"):
        for tag in ("layer", "class", "namedtuple", "dataclass", "function"):
            fields = {"fields": {}, "items": [], "args": [], "kwargs": {}, "number": 7}
            described = fields | {"is": tag, "class": name, "name": name}
            write(path, layer(LAMBDA, function("jax.numpy:tanh"), mask=described))
            if (tag, name) not in ALLOWED:
                refused(path)


def test_layers_that_the_program_defines_are_found_by_module_and_name() -> None:
    names = Names()
    assert names.layer(f"{__name__}:Own") is Own
    assert names.layer(f"{__name__}:Own.Inner") is Own.Inner
    with pytest.raises(FileFormatError, match="Import the module that defines it first"):
        names.layer("nets:Own")


def test_a_module_that_waits_to_be_imported_goes_on_waiting(path, tmp_path, monkeypatch) -> None:
    (tmp_path / "waiting.py").write_text("print('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    found = importlib.util.find_spec("waiting")
    found.loader = importlib.util.LazyLoader(found.loader)
    waiting = importlib.util.module_from_spec(found)
    monkeypatch.setitem(sys.modules, "waiting", waiting)
    found.loader.exec_module(waiting)
    monkeypatch.setattr(sys.modules[__name__], "lazy", waiting, raising=False)
    for name in ("waiting:Net", "waiting:__name__", f"{__name__}:lazy", f"{__name__}:lazy.Net"):
        write(path, layer(name))
        with pytest.raises(FileFormatError, match="not available"):
            lamina.load(path)
    assert type(waiting) is not types.ModuleType


def test_what_stands_among_the_modules_is_not_asked(path, monkeypatch) -> None:
    class Asked:
        def __getattr__(self, name):
            raise AssertionError(name)

    monkeypatch.setitem(sys.modules, "asked", Asked())
    write(path, layer("asked:Net"))
    refused(path)


# What the caller gives.


class Dropout(Layer):
    def call(self, x):
        return x * 0


class Step(Layer):
    def call(self, x):
        return x + 1


class Ref(Step):
    pass


class Graph(Step):
    pass


class Functional(Step):
    pass


class Operation(Step):
    pass


def relu(x):
    return x * 0


MINE = {kind.__name__: kind for kind in (Dropout, Step, Ref, Graph, Functional, Operation)}


def test_equal_names_do_not_stand_in_for_laminas_own(path) -> None:
    model = Sequential([layers.Dense(2, "relu"), layers.Dropout(0.5), layers.Activation(jnp.tanh)])
    model(X)
    model.save(path)
    given = {**MINE, "relu": relu, "tanh": relu, "Dense": Step, "Sequential": Step}
    loaded = lamina.load(path, custom_objects=given)
    assert type(loaded) is Sequential and type(loaded.layers[1]) is layers.Dropout
    np.testing.assert_array_equal(loaded(X), model(X))


def test_a_file_names_classes_and_functions_by_their_public_modules(path) -> None:
    x = Input((8, 8, 1))
    model = Model(x, layers.Flatten()(layers.Conv2D(2, 3, activation=activations.relu)(x)) * 2)
    model.save(path)
    with TensorFile(path) as file:
        text = file.metadata["lamina"]
    named = set(re.findall(r"lamina[a-z0-9_.]*:\w+", text))
    assert named == {
        "lamina.activations:relu",
        "lamina.layers:Conv2D",
        "lamina.layers:Flatten",
        "lamina.models:Functional",
        "lamina.models:Graph",
        "lamina.models:Operation",
        "lamina.models:Ref",
        "lamina.models:Step",
    }


def test_graphs_are_read_whatever_ones_own_layers_are_called(path) -> None:
    x = Input((2,))
    mine = Step()
    model = Model(x, Ref()(mine(layers.Dense(2)(x))) * 2)
    model.save(path)
    for given in ({}, MINE, {label(kind): kind for kind in MINE.values()}):
        loaded = lamina.load(path, custom_objects=given)
        assert type(loaded.step) is Step
        np.testing.assert_array_equal(loaded(X), model(X))


def test_models_of_tf_keras_are_found(path) -> None:
    x = tf.keras.layers.Input((2,))
    model = tf.keras.Model(x, tf.keras.layers.Dense(2)(x))
    model.save(path)
    loaded = tf.keras.models.load_model(path)
    assert type(loaded) is type(model)
    np.testing.assert_array_equal(loaded(X), model(X))
    row = tf.keras.Sequential([tf.keras.layers.Embedding(4, 2), tf.keras.layers.Flatten()])
    row(jnp.ones((1, 3), "int32"))
    row.save(path)
    assert type(lamina.load(path).layers[0]) is tf.keras.layers.Embedding


class Point(NamedTuple):
    x: int


def test_names_are_matched_as_a_whole_then_by_what_they_name_then_bare() -> None:
    theirs = f"{__name__}:Own"
    for key in (theirs, theirs.replace(":", "."), "Own"):
        assert Names({key: Step}).layer(theirs) is Step
    with pytest.raises(FileFormatError, match="is not available"):
        Names({"anything": Own}).layer("elsewhere:Own")
    assert Names({"anything": Point}).data(label(Point)) is Point
    assert Names({"Inner": Step}).layer("nets:Outer.Inner") is Step
    assert Names({DENSE: Step}).layer(DENSE) is Step  # said by its whole name
    assert Names({"Dense": Step}).layer(DENSE) is layers.Dense
    with pytest.raises(FileFormatError, match="is not available"):
        Names({"Dense": Step}).data(DENSE)
    assert Names({"einsum": jnp.einsum}).function("jax.numpy:einsum") is jnp.einsum
    assert Names({"tanh": relu}).function("jax.numpy:tanh") is jnp.tanh


def test_other_functions_of_jax_are_given(path) -> None:
    model = Sequential([layers.Lambda(jnp.round)])
    model(X)
    model.save(path)
    refused(path, match=r"Pass custom_objects=\{'round': round\}")
    for name in ("round", "jax.numpy.round", "jax.numpy:round"):
        assert lamina.load(path, custom_objects={name: jnp.round}).layers[0].function is jnp.round


# Gadgets: what listed classes could be made to do.

CALLS = [
    (step("save_weights", "TARGET"), {}),
    (step("save", "TARGET"), {}),
    (step("export", "TARGET"), {}),
    (step("load_weights", "TARGET"), {}),
    (step("fit", ref(0)), {}),
    (step("__class__", ref(0)), {}),
    (step("_lamina", ref(0)), {}),
    (step("graph", ref(0)), {}),
    (step(["dense"], ref(0)), {}),
    (step("dense", ref(-7)), {}),
    (step("dense", ref(0, 10**9)), {}),
    (step("dense", ref("0")), {}),
    (step("dense", ref(0), method="save"), {}),
    (step("dense", ref(0)), {"save": layer(DENSE, 2, number=1)}),
    (step("dense", ref(0)), {"__class__": layer(DENSE, 2, number=1)}),
    (step("dense", ref(0)), {"_lamina": layer(DENSE, 2, number=1)}),
    (step("dense", ref(0)), {"call": layer(DENSE, 2, number=1)}),
    (step("dense", ref(0)), {"graph": layer(DENSE, 2, number=1)}),
    (step("dense", ref(0)), {"text": "no layer"}),
    ("dense", {}),
]


@pytest.mark.parametrize(("call", "more"), CALLS)
def test_a_graph_calls_its_layers_alone(path, call, more) -> None:
    target = path.parent / "target"
    target.write_bytes(b"mine")
    if isinstance(call, dict) and call["items"][1]["items"] == ["TARGET"]:
        call["items"][1]["items"] = [str(target)]
    weights = {f"dense.{name}": value for name, value in WEIGHTS.items()}
    write(path, graph({"dense": layer(DENSE, 2), **more}, call), weights)
    refused(path)


def test_a_graph_by_hand_is_read(path) -> None:
    weights = {f"dense.{name}": value + 2 for name, value in WEIGHTS.items()}
    operation = layer(OPERATION, "mul", number=1)
    calls = step("dense", ref(0)), step("times", ref(1), 3)
    write(path, graph({"dense": layer(DENSE, 2), "times": operation}, *calls), weights)
    np.testing.assert_array_equal(lamina.load(path)(X), [[18, 18], [18, 18]])


OPERATION = "lamina.models:Operation"
FUNCTION = "lamina.models:ArrayFunction"
OPERATIONS = [
    ("attrgetter", "__class__"),
    ("methodcaller", "save_weights", "target"),
    ("call", function("jax.numpy:tanh"), ref(0)),
    ("setitem", ref(0), 0, 0),
    ("itemgetter", ref(0)),
    ("__import__", "os"),
    ("mul", "x", 10**12),
    ("mul", [0], 10**12),
    ("pow", 10**9, 10**9),
    ("lshift", 1, 10**12),
    ("concat", ref(0), ref(0)),
    ("add", ref(0), "text"),
    ("add", ref(0), [1, 2]),
    ("getitem", {"is": "dict", "items": [["a", 1]]}),
    ("getitem", "text"),
    ("getitem",),
    (["add"], ref(0), ref(0)),
    (None, ref(0)),
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operators_work_on_arrays_alone(path, operation) -> None:
    name, *inputs = operation
    write(path, graph({"o": layer(OPERATION, name)}, step("o", *inputs)))
    refused(path)


@pytest.mark.parametrize(
    "described",
    [
        {"is": "dtype", "name": "O"},
        {"is": "dtype", "name": "object"},
        {"is": "dtype", "name": "S999999999"},
        {"is": "dtype", "name": "U9"},
        {"is": "dtype", "name": "V8"},
        {"is": "dtype", "name": "M8[ns]"},
        {"is": "dtype", "name": "i4,f8"},
        {"is": "dtype", "name": "finfo"},
        {"is": "dtype", "name": "float32\x00"},
        {"is": "dtype", "name": ["a", "f4"]},
        {"is": "dtype", "name": {"names": ["a"], "formats": ["O"]}},
        {"is": "dtype", "name": "key<fry>"},
        {"is": "spec", "shape": [1], "dtype": "object"},
        {"is": "spec", "shape": [1], "dtype": "S999999999"},
        {"is": "spec", "shape": [[1]], "dtype": "float32"},
        {"is": "spec", "shape": "12", "dtype": "float32"},
        {"is": "spec", "shape": [-1], "dtype": "float32"},
        {"is": "spec", "shape": [2**31], "dtype": "float32"},
        {"is": "spec", "shape": [True], "dtype": "float32"},
        {"is": "spec", "shape": [1] * 100, "dtype": "float32"},
        array("O", [1], "AAAAAAAAAAA="),
        array("S999999999", [0]),
        array("float32", [3], "AAAA"),
        array("float32", [-1], "AAAA"),
        array("float32", [2**31, 0]),
        array("float32", [0] * 100),
        array("uint8", [2], "AA"),
        array("uint8", [1], "A A=="),
        array("uint8", [98_304], "AAAA" * 32_768),
        array("int4", [2**20, 2**20], "AAAA"),
        {"is": "scalar", "dtype": "float32", "shape": [1, 10**9], "base64": "AAAA"},
        {"is": "float", "value": "9" * 9},
        {"is": "complex", "parts": ["1", "2", "3"]},
        {"is": "complex", "parts": [[1], 2]},
        {"is": "tuple", "items": None},
        {"is": "dict", "items": [[{"is": "dict", "items": []}, 1]]},
        {"is": "dict", "items": [["a", 1], ["a", 2]]},
        {"is": "dict", "items": [[(2**61 - 1) * at, 0] for at in range(2_000)]},
        {"is": "same", "number": 0},
        {"is": "same", "number": [0]},
        {"is": "make"},
        {"is": "_make"},
        {"is": "__class__"},
        {"is": ["layer"]},
        {"is": None},
        {},
        {"is": "initializer", "config": {"is": "dict", "items": [["class_name", "os"]]}},
        {"is": "initializer", "config": "no_such"},
        {"is": "initializer", "config": [1]},
        {"is": "partial", "function": "jax.numpy:tanh", "args": [], "kwargs": {}},
        {"is": "partial", "function": None, "args": [], "kwargs": {}},
        {"is": "function", "name": ["jax.numpy", "tanh"]},
        {"is": "class", "class": 3},
        layer(DENSE, 2, number=-1),
        layer(DENSE, 2, number=2**61 - 1),
        layer(DENSE, 2, number="0"),
        layer(DENSE, 2, number=None),
        layer(DENSE, 2, _lamina=1),
        layer(DENSE, 2, __class__="x"),
        layer(DENSE, 2, self=1),
    ],
)
def test_values_that_are_none(path, described) -> None:
    for value in (described, [described], {"is": "tuple", "items": [described]}):
        write(path, layer(LAMBDA, function("jax.numpy:tanh"), mask=value))
        refused(path)


def test_values_that_are_some(path) -> None:
    value = {"is": "dict", "items": [[1, spec(1)], ["a", array("uint8", [1], "AA==")]]}
    write(path, layer(LAMBDA, function("jax.numpy:tanh"), mask=[value, layer(DENSE, 2, number=3)]))
    (made, dense) = lamina.load(path).mask
    assert made == {1: lamina.Spec((1,)), "a": np.uint8([0])} and dense.units == 2


# The lists.


def listed(*modules, kind) -> set[str]:
    found = {getattr(module, name) for module in modules for name in module.__all__}
    return {label(one) for one in found if kind(one)}


def test_the_lists_are_those_of_the_public_names() -> None:
    def is_layer(one):
        return isinstance(one, type) and issubclass(one, Tracked)

    def is_data(one):
        return inspect.isclass(one) and hasattr(one, "__dataclass_fields__")

    public = listed(layers, all_models, all_seq2seq, all_tf_layers, all_tf_models, kind=is_layer)
    public |= {label(convnext.LayerScale)}
    inputs = {label(all_models.InputLayer)}  # saved as the spec of the input
    assert public - inputs | {OPERATION, FUNCTION} == allowed_names.LAYERS
    data = listed(all_regularizers, all_constraints, losses, metrics, kind=is_data)
    others = {f"lamina.models:{name}" for name in ("Graph", "Step", "Ref")}
    assert allowed_names.DATA - others < data
    functions = listed(activations, losses, metrics, kind=inspect.isfunction)
    helpers = {label(one) for one in (activations.get, activations.describe, losses.get)}
    helpers |= {label(one) for one in (losses.names, losses.reduce, metrics.get)}
    kits = (activations, losses, metrics)
    helpers |= {label(one) for kit in kits for one in (kit.deserialize, kit.serialize)}
    tf = {name for name in allowed_names.FUNCTIONS if name.startswith("lamina.compat.tf")}
    assert allowed_names.FUNCTIONS - tf == functions - helpers


@pytest.mark.parametrize(
    "name", sorted(allowed_names.LAYERS | allowed_names.DATA | allowed_names.FUNCTIONS)
)
def test_each_name_is_that_of_what_is_defined_there(name) -> None:
    look = Names().function if name in allowed_names.FUNCTIONS else Names().data
    look = Names().layer if name in allowed_names.LAYERS else look
    found = look(name)
    assert label(found) == name


def test_arithmetic_is_public_and_takes_no_functions() -> None:
    for name in allowed_names.ARITHMETIC:
        module, _, inner = name.partition(":")
        found = Names().function(name)
        assert found is getattr(MODULES[module], inner) and not inner.startswith("_")
        assert not isinstance(found, type | types.ModuleType)
        parameters = inspect.signature(found).parameters.values()
        annotations = " ".join(str(parameter.annotation) for parameter in parameters)
        assert "Callable" not in annotations and "PathLike" not in annotations


def test_no_listed_layer_takes_a_path() -> None:
    for name in allowed_names.LAYERS:
        parameters = inspect.signature(Names().layer(name).__init__).parameters
        assert not {"path", "file", "filename", "filepath", "directory"} & set(parameters)
        assert not any(one.startswith("_") for one in parameters)


def test_a_spec_in_a_model_comes_back(path) -> None:
    write(path, layer(LAMBDA, function("jax.numpy:tanh"), name="a"), builds=builds(spec(None, 2)))
    assert lamina.load(path).function is jnp.tanh
    write(path, layer(LAMBDA, function("jax.nn:relu")))
    assert lamina.load(path).function is jax.nn.relu
