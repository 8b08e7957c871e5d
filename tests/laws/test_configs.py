"""The law of configs: plain JSON, from which each public class makes an equal object."""

import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import (
    Input,
    Layer,
    Model,
    Sequential,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    regularizers,
)
from lamina.compat.tf.keras import schedules
from lamina.errors import FileFormatError, LaminaError
from lamina.saving import deserialize, serialize
from lamina.saving.decoding import Decoder
from lamina.saving.encoding import Encoder
from lamina.saving.lookup import Names
from lamina.training.optimizers.definitions import OPTIMIZERS
from tests.laws.test_laws import KEY, floats, ids, remade, stored


def same_outputs(layer, twin, *inputs):
    for one in (layer, twin):
        if not one._lamina.built:
            lamina.set_seed(4)
            one.build(*inputs)
    twin.set_weights(layer.get_weights())
    for training in (False, True):
        made = [one(*inputs, training=training, rng=KEY) for one in (layer, twin)]
        for a, b in zip(*map(jax.tree.leaves, made), strict=True):
            np.testing.assert_array_equal(a, b)


SPACE = floats(2, 6, 6, 4)
STEPS = floats(2, 5, 3)
L2, CLIP = regularizers.L2(0.1), constraints.MaxNorm(1.5, [0])
OPTIONS = {
    "regularizers and constraints": (
        lambda: layers.Dense(
            3,
            activation="gelu",
            kernel_initializer=initializers.RandomNormal(0.1, 0.2, seed=3),
            bias_initializer=initializers.Constant([1.0, 2.0, 3.0]),
            kernel_regularizer=L2,
            bias_regularizer="l1",
            activity_regularizer=regularizers.L1L2(0.1, 0.2),
            kernel_constraint=CLIP,
            bias_constraint="non_neg",
            name="head",
            trainable=False,
            dtype="float16",
        ),
        [floats(2, 3)],
    ),
    "mixed precision": (lambda: layers.Dense(3, dtype="mixed_bfloat16"), [floats(2, 3)]),
    "integers": (lambda: layers.Dense(3, dtype="int4/2_from_float32"), [floats(2, 3)]),
    "a dtype object": (lambda: layers.Dense(3, dtype=jnp.bfloat16), [floats(2, 3)]),
    "a function of jax.nn": (lambda: layers.Dense(3, jnp.tanh), [floats(2, 3)]),
    "a function of Lamina": (lambda: layers.Dense(3, lamina.activations.mish), [floats(2, 3)]),
    "tuples": (
        lambda: layers.Conv2D(4, (3, 1), strides=(1, 2), dilation_rate=(1, 1), groups=2),
        [SPACE],
    ),
    "nested tuples": (lambda: layers.ZeroPadding2D(((1, 2), (0, 3))), [SPACE]),
    "tuples in a dict": (
        lambda: layers.Lambda(jnp.sum, arguments={"axis": (1, 2)}),
        [STEPS],
    ),
    "NumPy numbers": (lambda: layers.Dropout(np.float32(0.5), seed=np.int64(3)), [STEPS]),
    "arrays": (lambda: layers.Normalization(mean=np.ones(3), variance=np.full(3, 4.0)), [STEPS]),
    "an infinity": (lambda: layers.ReLU(max_value=float("inf")), [STEPS]),
    "axes": (lambda: layers.LayerNormalization(axis=(1, 2), epsilon=1e-4), [STEPS]),
    "target shape": (lambda: layers.Reshape((3, -1)), [STEPS]),
    "two directions": (
        lambda: layers.Bidirectional(
            layers.GRU(2, return_sequences=True, dropout=0.3),
            backward_layer=layers.LSTM(2, return_sequences=True, go_backwards=True),
            merge_mode="sum",
        ),
        [STEPS],
    ),
    "wrappers": (
        lambda: layers.TimeDistributed(layers.Remat(layers.Dense(2, trainable=False))),
        [STEPS],
    ),
    "cells": (
        lambda: layers.RNN(
            [layers.GRUCell(2, dropout=0.2), layers.SimpleRNNCell(3)],
            return_state=True,
            go_backwards=True,
        ),
        [STEPS],
    ),
    "copies": (lambda: layers.Stack(lambda: layers.Residual(layers.Dense(3)), 2), [STEPS]),
    "members": (lambda: layers.Ensemble(layers.Dense(3, "relu"), 2), [STEPS]),
    "heads": (
        lambda: layers.MultiHeadAttention(
            2, 3, value_dim=2, output_shape=(5,), attention_axes=(1,), use_bias=False, dropout=0.1
        ),
        [floats(2, 5, 4), floats(2, 3, 4)],
    ),
    "operations": (lambda: Layered(), [STEPS]),
}


class Layered(Layer):
    """A layer whose arguments keep their types."""

    def __init__(self, sizes=(1, (2, 3)), names=("a",), table=None, **options):
        super().__init__(**options)
        self.sizes, self.names, self.table = sizes, names, table

    def call(self, x):
        assert self.sizes == (1, (2, 3)) and self.names == ("a",)
        return x


@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_kept(name):
    make, inputs = OPTIONS[name]
    layer = make()
    same_outputs(layer, remade(layer), *inputs)


def graph():
    x, y = Input((4,), name="left"), Input((4,), name="right", dtype="int32")
    dense, table = layers.Dense(4, name="twice"), layers.Embedding(9, 4, mask_zero=True)
    steps = layers.GRU(4)(table(y))
    joined = layers.Concatenate()([dense(dense(x)), steps]) * 2 + 1
    return Model([x, y], {"sum": joined[:, 1:3], "all": (joined, -steps)})


def nested():
    x = Input((4,))
    inner = Sequential([layers.Dense(4, "relu"), layers.Dropout(0.2)], name="inner")
    return Model(x, layers.Residual(inner)(inner(x)))


def stack():
    shared = layers.Dense(4)
    return Sequential([Input((4,)), shared, layers.Activation("relu"), shared], name="row")


FEED = {"left": floats(2, 4), "right": ids(2, 4)}


@pytest.mark.parametrize(
    "make, feed", [(graph, FEED), (nested, floats(2, 4)), (stack, floats(2, 4))]
)
def test_a_model_is_made_again(make, feed):
    model = make()
    for twin in (
        remade(model),
        lamina.models.model_from_json(model.to_json()),
        lamina.models.clone_model(model),
    ):
        assert twin.values().keys() == model.values().keys()
        assert twin.get_config() == model.get_config()
        twin.set_weights(model.get_weights())
        made = [one(feed, training=True, rng=KEY) for one in (model, twin)]
        for a, b in zip(*map(jax.tree.leaves, made), strict=True):
            np.testing.assert_array_equal(a, b)


METRICS = """
Mean Sum Accuracy CategoricalAccuracy LogCoshError Poisson CosineSimilarity Hinge Recall
MeanSquaredError RootMeanSquaredError PearsonCorrelation TruePositives FalseNegatives AutoAccuracy
KLDivergence
"""
OBJECTS = [
    *[
        getattr(losses, name)(name="own", reduction="sum")
        for name in losses.__all__
        if inspect.isclass(getattr(losses, name, None))
        and issubclass(getattr(losses, name), losses.Loss)
        and name not in ("Loss", "FunctionLoss")
    ],
    losses.Huber(delta=3.0, dtype="float64"),
    losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
    losses.SparseCategoricalCrossentropy(ignore_class=3, axis=1),
    losses.Tversky(0.2, 0.3, axis=(1, 2)),
    losses.FunctionLoss(losses.huber, delta=2.0, name="mine"),
    metrics.AUC(10, curve="PR", name="area"),
    metrics.Precision([0.1, 0.5], top_k=2, class_id=1),
    metrics.PrecisionAtRecall(0.7, 20, dtype="float16"),
    metrics.RecallAtPrecision(0.7, class_id=1),
    metrics.SensitivityAtSpecificity(0.7, name="own"),
    metrics.SpecificityAtSensitivity(0.7),
    metrics.FBetaScore("macro", 0.5, 0.25),
    metrics.F1Score("micro"),
    metrics.IoU(3, [0, 2], ignore_class=1),
    metrics.MeanIoU(3),
    metrics.BinaryIoU([1], 0.25),
    metrics.OneHotIoU(3, (0,)),
    metrics.OneHotMeanIoU(3, axis=1),
    metrics.TopKCategoricalAccuracy(3),
    metrics.SparseTopKCategoricalAccuracy(3, from_sorted_ids=True),
    metrics.BinaryAccuracy(threshold=0.25),
    metrics.Perplexity(from_logits=True, ignore_class=2, dtype="float16"),
    metrics.R2Score("variance_weighted_average", 2),
    metrics.LossMetric(losses.Huber(2.0), "own", dtype="float16"),
    metrics.FunctionMetric(losses.huber, "own", delta=2.0),
    *[
        getattr(metrics, name)()
        for name in [
            "Mean",
            "Sum",
            "Accuracy",
            "CategoricalAccuracy",
            "LogCoshError",
            "Poisson",
            "CosineSimilarity",
            "Hinge",
            "MeanSquaredError",
            "RootMeanSquaredError",
            "PearsonCorrelation",
            "TruePositives",
            "Recall",
            "FalseNegatives",
            "AutoAccuracy",
            "KLDivergence",
        ]
    ],
    initializers.Constant(np.arange(3.0)),
    initializers.Constant(1 + 2j),
    initializers.VarianceScaling(2.0, "fan_out", "uniform", 7, (0,), (1,)),
    initializers.GlorotUniform(seed=3),
    initializers.Orthogonal(2.0, seed=1),
    initializers.RandomUniform(-1, 1),
    initializers.TruncatedNormal(0.5, 0.1),
    initializers.Identity(3.0),
    initializers.STFT("imag", window="hamming"),
    initializers.Zeros(),
    regularizers.L1(0.5),
    regularizers.L1L2(0.1, 0.2),
    regularizers.OrthogonalRegularizer(0.1, "columns"),
    constraints.MaxNorm(3.0, (0, 1)),
    constraints.MinMaxNorm(0.1, 0.9, 0.5, [0]),
    constraints.NonNeg(),
    constraints.UnitNorm(1),
    schedules.CosineDecay(0.1, 100, 0.01, 1.0, 10),
    schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2, 0.3]),
    schedules.ExponentialDecay(0.1, 10, 0.9, True),
]


@pytest.mark.parametrize("thing", OBJECTS, ids=repr)
def test_an_object_is_made_again(thing):
    config = stored(thing.get_config())
    for twin in (type(thing).from_config(config), deserialize(stored(serialize(thing)))):
        assert type(twin) is type(thing)
        assert twin.get_config() == config


@pytest.mark.parametrize("thing", OBJECTS, ids=repr)
def test_files_hold_an_object(thing):
    """A file of a compiled model has losses and metrics; a file of a layer, the others."""
    record = stored(Encoder().record(thing, "an argument"))
    twin = Decoder(Names()).make(record)
    assert type(twin) is type(thing)
    assert twin.get_config() == thing.get_config()


@pytest.mark.parametrize("kind", ["configured", "optimizer"])
@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "builtins:eval",
        "subprocess:Popen",
        "lamina.layers:Dense",
        "lamina:load",
        "lamina.compat.tf.keras.optimizers:missing",
        "lamina.compat.tf.keras.optimizers:definitions",
        "lamina.configured:Configured",
    ],
)
def test_files_make_no_other_objects_from_configs(kind, name):
    record = {"is": kind, "class": name, "config": {"is": "dict", "items": []}}
    with pytest.raises(FileFormatError, match="not available"):
        Decoder(Names()).make(record)


def test_every_listed_class_has_a_config():
    """No public class of losses, metrics, and the like is left out of what configs may name."""
    for module in (losses, metrics, initializers, regularizers, constraints):
        for name in module.__all__:
            kind = getattr(module, name)
            if inspect.isclass(kind) and hasattr(kind, "get_config") and not _is_base(kind):
                described = {"class_name": kind.__name__, "module": module.__name__}
                with pytest.raises(LaminaError) as error:
                    deserialize({**described, "config": {"no such option": 1}})
                assert "not available" not in str(error.value), name


def _is_base(kind):
    bases = ("Loss", "Metric", "MeanMetric", "Initializer", "Regularizer", "Constraint")
    return kind.__name__ in bases


CAMEL = (
    "Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion Muon Nadam RMSprop "
    "ScheduleFreeAdamW SGD"
)
KERAS = {name.lower(): {"class_name": name} for name in CAMEL.split()}


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_an_optimizer_is_made_again(name):
    make = OPTIMIZERS[name]
    rate = schedules.ExponentialDecay(0.1, 10, 0.9)
    for options in ({}, {"learning_rate": rate, "clipnorm": 1.0, "use_ema": True}):
        optimizer = make(**options)
        config = stored(optimizer.get_config())
        twin = make.from_config(config)
        for again in (
            twin,
            type(optimizer).from_config(config),
            deserialize(stored(serialize(optimizer))),
            deserialize({"module": "keras.optimizers"} | KERAS[name] | {"config": config}),
            pickle.loads(pickle.dumps(optimizer)),
            Decoder(Names()).make(stored(Encoder().record(optimizer, "an argument"))),
        ):
            assert type(again) is type(optimizer) and again.get_config() == config
        weights = {"w": jnp.arange(4.0)}
        made = [one.update(weights, one.init(weights), weights)[0] for one in (optimizer, twin)]
        np.testing.assert_array_equal(made[0]["w"], made[1]["w"])
