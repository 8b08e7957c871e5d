"""Configs of Keras, and configs that name what must not run."""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Input, Layer, Model, Sequential, layers
from lamina.errors import FileFormatError, InputError, LaminaError
from lamina.models import model_from_json
from lamina.saving import deserialize, serialize
from tests.saving.watched import nothing_runs

keras = pytest.importorskip("keras")

RNG = np.random.default_rng(0)
STEPS = RNG.normal(size=(2, 5, 4)).astype("float32")
IMAGE = RNG.normal(size=(2, 6, 6, 4)).astype("float32")
KERAS = {
    "dense": (lambda k: k.Dense(3, "relu", bias_constraint="non_neg"), STEPS),
    "penalty": (lambda k: k.Dense(3, kernel_regularizer="l2"), STEPS),
    "initializer": (lambda k: k.Dense(3, kernel_initializer="he_normal", use_bias=False), STEPS),
    "conv": (lambda k: k.Conv2D(4, 3, 2, "same", activation="gelu"), IMAGE),
    "causal": (lambda k: k.Conv1D(4, 3, padding="causal", dilation_rate=2), STEPS),
    "depthwise": (lambda k: k.DepthwiseConv2D(3, depth_multiplier=2), IMAGE),
    "separable": (lambda k: k.SeparableConv2D(4, 3), IMAGE),
    "transposed": (lambda k: k.Conv2DTranspose(4, 3, 2), IMAGE),
    "pooling": (lambda k: k.MaxPooling2D(2), IMAGE),
    "padding": (lambda k: k.ZeroPadding2D(((1, 2), (0, 1))), IMAGE),
    "cropping": (lambda k: k.Cropping1D(1), STEPS),
    "upsampling": (lambda k: k.UpSampling2D(2, interpolation="bilinear"), IMAGE),
    "recurrent": (lambda k: k.LSTM(3, return_sequences=True, go_backwards=True), STEPS),
    "gru": (lambda k: k.GRU(3, reset_after=False), STEPS),
    "both directions": (lambda k: k.Bidirectional(k.GRU(3), merge_mode="sum"), STEPS),
    "cells": (lambda k: k.RNN([k.LSTMCell(3), k.GRUCell(2)]), STEPS),
    "distributed": (lambda k: k.TimeDistributed(k.Dense(3)), STEPS),
    "batch": (lambda k: k.BatchNormalization(momentum=0.9, epsilon=1e-5, scale=False), STEPS),
    "layer": (lambda k: k.LayerNormalization(axis=-1, center=False), STEPS),
    "group": (lambda k: k.GroupNormalization(2), STEPS),
    "unit": (lambda k: k.UnitNormalization(), STEPS),
    "einsum": (lambda k: k.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d"), STEPS),
    "softmax": (lambda k: k.Softmax(), STEPS),
    "prelu": (lambda k: k.PReLU(shared_axes=[1]), STEPS),
    "dropout": (lambda k: k.Dropout(0.5, seed=3), STEPS),
    "reshape": (lambda k: k.Reshape((-1, 2)), STEPS),
    "rescaling": (lambda k: k.Rescaling(2.0, 1.0), STEPS),
}


@pytest.mark.parametrize("name", KERAS)
def test_a_config_of_keras_makes_the_same_layer(name):
    make, inputs = KERAS[name]
    theirs = make(keras.layers)
    config = json.loads(json.dumps(theirs.get_config()))
    ours = getattr(layers, type(theirs).__name__).from_config(config)
    assert set(theirs.get_config()) <= set(ours.get_config())
    theirs.build(inputs.shape)
    ours.build(inputs)
    ours.set_weights(theirs.get_weights())
    found, expected = lamina.jit(ours)(inputs), jax.jit(lambda x: theirs(x))(inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


AUGMENTATIONS = [
    ("RandomFlip", "vertical", 3),
    ("RandomRotation", 0.2, "wrap", "nearest"),
    ("RandomZoom", 0.2, (-0.1, 0.3)),
    ("RandomTranslation", (-0.1, 0.3), 0.2, "constant"),
    ("RandomShear", 0.2, (0.1, 0.3)),
    ("RandomCrop", 3, 4, 7),
    ("RandomBrightness", 0.2, (0, 1)),
    ("RandomContrast", (0.1, 0.2), (0, 1), 5),
    ("AutoContrast", (0, 1)),
    ("Equalization", (0, 1), 64),
    ("RandomGrayscale", 0.3),
    ("RandomHue", 0.3, (0, 1)),
    ("RandomSaturation", (0.2, 0.3)),
    ("RandomColorDegeneration", (0.1, 0.2), (0, 1)),
    ("RandomColorJitter", (0, 1), 0.1, (0.1, 0.2), None, 0.2),
    ("RandomInvert", (0.1, 0.2), (0, 1)),
    ("RandomPosterization", 3),
    ("Solarization", 0.2, (0.1, 0.5), (0, 1), 3),
    ("RandomSharpness", 0.2, (0, 1)),
    ("RandomGaussianBlur", (0.2, 0.3), (3, 5), 0.4, (0, 1)),
    ("RandomErasing", 0.3, 0.2, (1.0, 2.0, 3.0)),
    ("RandomPerspective", 0.3, 0.4, "nearest"),
    ("RandomElasticTransform", 0.3, 0.4, "nearest", "mirror", 2.0),
    ("ContrastLimitedAdaptiveHistogramEqualization", (0, 1), 2.0, (2, 3)),
    ("RandAugment", (0, 1), 3, 0.4, "nearest", 5),
    ("AugMix", (0, 1), 2, 4, 0.2, 0.5, False),
    ("MixUp", 0.3),
    ("CutMix", (0.3, 0.5), 4),
]


def test_layers_that_augment_images_are_made_from_a_model_of_keras():
    made = [getattr(keras.layers, name)(*options) for name, *options in AUGMENTATIONS]
    ours = model_from_json(keras.Sequential(made).to_json())
    assert ours(IMAGE[..., :3]).shape == (2, 3, 4, 3)
    for layer, theirs in zip(ours.layers, made, strict=True):
        config = json.loads(json.dumps(theirs.get_config())) | {"dtype": "float32"}
        found = json.loads(json.dumps(layer.get_config()))
        assert found | config == found


def graph(k):
    x, y = k.Input((4,), name="x"), k.Input((3,), dtype="int32", name="y")
    dense = k.layers.Dense(4, "tanh", name="twice")
    steps = k.layers.LSTM(4)(k.layers.Embedding(9, 4)(y))
    joined = k.layers.Concatenate()([dense(dense(x)), steps])
    return k.Model([x, y], [k.layers.Dense(2)(joined), steps])


def stack(k):
    return k.Sequential([k.Input((4,)), k.layers.Dense(3, "relu"), k.layers.Dropout(0.1)])


@pytest.mark.parametrize("make", [graph, stack])
def test_the_json_of_a_model_of_keras_makes_the_same_model(make):
    theirs = make(keras)
    ours = model_from_json(theirs.to_json())
    ours.set_weights(theirs.get_weights())
    feed = [RNG.normal(size=(2, 4)).astype("float32"), np.array([[1, 2, 3], [4, 5, 6]], "int32")]
    given = feed if make is graph else feed[0]
    for a, b in zip(*(_leaves(one(given)) for one in (ours, theirs)), strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-5, atol=1e-5)


def _leaves(value):
    return value if isinstance(value, list | tuple) else [value]


@pytest.mark.parametrize(
    "thing",
    [
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        keras.losses.Huber(reduction="sum"),
        keras.metrics.AUC(curve="PR", num_thresholds=20),
        keras.metrics.Precision(thresholds=[0.1, 0.5]),
        keras.initializers.VarianceScaling(2.0, "fan_out", seed=3),
        keras.regularizers.L1L2(0.1, 0.2),
        keras.constraints.MaxNorm(3.0),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_a_config_of_keras_makes_the_same_object(thing):
    described = json.loads(json.dumps(keras.saving.serialize_keras_object(thing)))
    made = deserialize(described)
    assert type(made).__name__ == type(thing).__name__
    config = made.get_config()
    shared = config.keys() & described["config"].keys()
    assert all(config[name] == described["config"][name] for name in shared)


def double(x):
    return 2 * x


class Named(Layer):
    def __init__(self, inner, function, **options):
        super().__init__(**options)
        self.inner, self.function = inner, function

    def call(self, x):
        return self.function(self.inner(x))


def test_ones_own_functions_are_found_in_custom_objects_alone():
    layer = Named(layers.Dense(2), double, name="own")
    config = json.loads(json.dumps(layer.get_config()))
    with pytest.raises(FileFormatError, match="custom_objects"):
        Named.from_config(config)
    twin = Named.from_config(config, {"double": double})
    assert twin.function is double and twin.inner.units == 2
    model = Sequential([Input((3,)), layer])
    text = model.to_json()
    assert model_from_json(text, {"double": double}).layers[0].function is double


def test_ones_own_classes_are_found_by_name():
    class Local(Layer):
        def call(self, x):
            return x

    text = Sequential([Local()]).to_json()
    with pytest.raises(FileFormatError, match="not available"):
        model_from_json(text)
    assert type(model_from_json(text, {"Local": Local}).layers[0]) is Local


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Lambda(lambda x: x),
        lambda: layers.Dense(2, activation=lambda x: x),
        lambda: Sequential([layers.Dense(2, kernel_initializer=lambda *_: 0)]),
    ],
)
def test_a_lambda_has_no_config(make):
    with pytest.raises(LaminaError, match="a lambda"):
        make().get_config()


def test_a_model_with_a_lambda_is_cloned():
    model = Sequential([Input((3,)), layers.Lambda(lambda x: x + 1)])
    assert lamina.models.clone_model(model)(jnp.zeros((1, 3))).tolist() == [[1, 1, 1]]


def function(module, name):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def dense(**config):
    return {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2, **config}}


def named(module, kind, **config):
    return {"module": module, "class_name": kind, "config": config}


def in_a_graph(layer):
    node = {"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}]}
    entry = layer | {"name": "d", "inbound_nodes": [node | {"kwargs": {}}]}
    start = named("keras.layers", "InputLayer", batch_shape=[None, 3], name="x")
    config = {
        "name": "model",
        "layers": [start | {"name": "x", "inbound_nodes": []}, entry],
        "input_layers": ["x", 0, 0],
        "output_layers": ["d", 0, 0],
    }
    return named("keras", "Functional", **config)


HOSTILE = {
    "os.system as a function": dense(activation=function("os", "system")),
    "eval": dense(activation=function("builtins", "eval")),
    "a module that is not imported": named("antigravity", "Dense"),
    "a class of the standard library": named("subprocess", "Popen", args=["true"]),
    "a class of Lamina that is not listed": named("lamina.saving.files", "TensorFile", path="x"),
    "a function of Lamina as a class": named("lamina.layers", "add"),
    "a path in a name": named("lamina.layers", "__init__.__globals__"),
    "code": named("keras.layers", "Lambda", function=named("", "__lambda__", code="4wEAAA==")),
    "an unknown type": dense(activation=named("", "__tensor_proto__")),
    "config is no dict": {"module": "keras.layers", "class_name": "Dense", "config": [1]},
    "class_name is no text": {"class_name": ["Dense"], "config": {}},
    "a value that is damaged": dense(activation=named("", "__value__", **{"is": "function"})),
    "an array that is damaged": dense(activation=named("", "__numpy__", value=[1], dtype="x")),
    "a missing argument": named("keras.layers", "Dense"),
    "a graph that refers to nothing": in_a_graph(dense()) | {"config": {"layers": [1]}},
}
HOSTILE |= {
    f"{name}, in a stack": named("keras", "Sequential", layers=[layer])
    for name, layer in HOSTILE.items()
}
HOSTILE["in a graph"] = in_a_graph(dense(activation=function("os", "system")))
HOSTILE["a cycle"] = in_a_graph(dense())
HOSTILE["a cycle"]["config"]["layers"][1]["inbound_nodes"][0]["args"][0]["config"] = {
    "keras_history": ["d", 0, 0]
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_that_a_config_names_runs(name, tmp_path):
    with nothing_runs(tmp_path), pytest.raises(LaminaError) as error:
        model_from_json(json.dumps(HOSTILE[name]))
    assert "remedy:" in str(error.value)


def test_the_graph_of_the_hostile_cases_is_itself_valid():
    assert isinstance(deserialize(in_a_graph(dense())), Model)


def test_custom_objects_never_replace_a_class_of_lamina():
    made = deserialize(serialize(layers.Dense(2)), {"Dense": os})
    assert type(made) is layers.Dense


def test_an_unknown_option_is_refused_unless_it_is_none():
    assert layers.Dense.from_config({"units": 2, "of_a_later_version": None}).units == 2
    with pytest.raises(InputError, match="of_a_later_version"):
        layers.Dense.from_config({"units": 2, "of_a_later_version": {"mode": "int8"}})


def test_a_graph_of_keras_2_is_read():
    def entry(name, layer, *calls):
        return layer | {"name": name, "inbound_nodes": [list(calls)] if calls else []}

    config = {
        "name": "old",
        "layers": [
            entry("x", named(None, "InputLayer", batch_input_shape=[None, 3], dtype="float32")),
            entry("b", named(None, "Add"), ["a", 0, 0, {}], ["a", 0, 0, {}]),
            entry("a", named(None, "Dense", units=2, name="a"), ["x", 0, 0, {}]),
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["b", 0, 0]],
    }
    model = Model.from_config(config)
    assert model(jnp.ones((1, 3))).shape == (1, 2)
    config["layers"][2]["inbound_nodes"] = [[["b", 0, 0, {}]]]
    with pytest.raises(FileFormatError, match="loop"):
        Model.from_config(config)
    config["layers"][2]["inbound_nodes"] = [[["c", 0, 0, {}]]]
    with pytest.raises(FileFormatError, match="Missing node: c"):
        Model.from_config(config)
