"""The laws of DESIGN: what holds for every layer. A new layer is one row of ROWS."""

import copy
import functools
import gc
import inspect
import json
import pickle
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Layer, Sequential, Spec, layers
from lamina.core.tree.memento import Memento
from lamina.core.tree.walk import walk
from lamina.errors import InputError, TrackingError


@dataclass(frozen=True)
class Row:
    """A layer and inputs for it. `unknown` are its specs with what may be unknown; `wrong`
    inputs do not fit once it is built, or are None where any do."""

    name: str
    make: Callable[[], Layer]
    inputs: tuple[Any, ...]
    unknown: tuple[Any, ...]
    wrong: tuple[Any, ...] | None = None
    training: bool = False


def floats(*shape):
    return jnp.asarray(np.random.default_rng(sum(shape)).normal(size=shape), "float32")


def ids(*shape):
    return jnp.asarray(np.random.default_rng(0).integers(0, 7, shape), "int32")


class Attention(Layer):
    def __init__(self, units):
        super().__init__()
        self.W1, self.W2 = layers.Dense(units), layers.Dense(units)
        self.V = layers.Dense(1)

    def call(self, query, values):
        scores = self.V(jnp.tanh(self.W1(query)[:, None] + self.W2(values)))
        weights = jax.nn.softmax(scores, 1)
        return (weights * values).sum(1), weights


class Decoder(Layer):
    def __init__(self):
        super().__init__()
        self.embedding = layers.Embedding(7, 4)
        self.attention = Attention(5)
        self.gru = layers.GRU(6, return_sequences=True, return_state=True)
        self.out = layers.Dense(7)

    def call(self, x, hidden, enc_output):
        context, _ = self.attention(hidden, enc_output)
        x = jnp.concatenate([context[:, None], self.embedding(x)], -1)
        output, state = self.gru(x, initial_state=hidden)
        return self.out(output[:, 0]), state


class Scanned(Layer):
    def __init__(self):
        super().__init__()
        self.cell = layers.Dense(4, activation="tanh")

    def call(self, inputs):
        def step(carry, x):
            carry = self.cell(jnp.concatenate([carry, x], -1))
            return carry, carry

        return jax.lax.scan(step, jnp.zeros((inputs.shape[0], 4)), inputs.swapaxes(0, 1))[0]


class Averaged(Layer):
    def __init__(self):
        self.members = layers.Ensemble(layers.Dense(4), 3)

    def call(self, inputs):
        return self.members(inputs).mean(0)


class Leaky(Layer):
    """A cell of somebody's own."""

    state_size = 4

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4, activation="tanh")

    def call(self, inputs, states):
        after = states[0] / 2 + self.dense(inputs)
        return after, [after]


class Tied(Layer):
    def __init__(self):
        super().__init__()
        self.embedding = layers.Embedding(7, 4)
        self.dense = layers.Dense(4)
        self.again = [self.dense, {"once": self.dense}]

    def call(self, tokens):
        hidden = self.again[1]["once"](self.dense(self.embedding(tokens)))
        return hidden @ jnp.transpose(self.embedding.embeddings)


class Merged(Layer):
    """Gives its inputs to a layer in one list."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, *inputs):
        return self.layer(list(inputs))


class ThereAndBack(Layer):
    def __init__(self, **options):
        super().__init__()
        self.embedding = layers.ReversibleEmbedding(7, 4, **options)

    def call(self, tokens):
        return self.embedding(self.embedding(tokens), reverse=True)


SEQUENCE = (floats(2, 5, 3),)
UNKNOWN = ((None, "time", 3),)
WRONG = (floats(2, 5, 4),)


def over_space(name, *args, weights=False, rank=None, **options):
    """A row of a layer over space; one with `weights` takes other channels no more."""
    rank = rank or int(name[name.rindex("D") - 1])
    space, unknown = [4] * rank, [None] * rank
    inputs, other = floats(2, *space, 2), floats(2, *space, 4)
    make = lambda: getattr(layers, name)(*args, **options)  # noqa: E731
    return Row(name, make, (inputs,), ((None, *unknown, 2),), (other,) if weights else None)


def row_of_augmentations(*makes):
    """A row of layers that change images, one after another."""
    name = type(makes[0]()).__name__
    make = lambda: Sequential([make() for make in makes])  # noqa: E731
    return Row(f"{name} etc.", make, (floats(2, 4, 4, 3),), ((None, None, None, 3),), training=True)


ROWS = [
    Row("Dense", lambda: layers.Dense(4), (floats(2, 3),), ((None, 3),), (floats(2, 4),)),
    Row(
        "Dense of sequences",
        lambda: layers.Dense(4, activation="relu", use_bias=False),
        SEQUENCE,
        UNKNOWN,
        WRONG,
    ),
    Row(
        "Dense, orthogonal",
        lambda: layers.Dense(4, kernel_initializer="orthogonal", bias_initializer="ones"),
        (floats(2, 3),),
        ((None, 3),),
        (floats(2, 4),),
    ),
    Row(
        "Dense, a callable initializer",
        lambda: layers.Dense(4, kernel_initializer=jax.nn.initializers.he_normal()),
        (floats(2, 3),),
        ((None, 3),),
        (floats(2, 4),),
    ),
    Row(
        "Dense, penalised",
        lambda: layers.Dense(
            4,
            kernel_regularizer="l2",
            bias_constraint="non_neg",
            activity_regularizer=lamina.regularizers.L1(0.1),
        ),
        (floats(2, 3),),
        ((None, 3),),
        (floats(2, 4),),
    ),
    Row(
        "Dense, adapted",
        lambda: layers.Dense(4, lora_rank=2, lora_alpha=3),
        (floats(2, 3),),
        ((None, 3),),
        (floats(2, 4),),
    ),
    Row("Embedding", lambda: layers.Embedding(7, 4), (ids(2, 5),), (Spec((None, None), "int32"),)),
    Row("GRU", lambda: layers.GRU(4), SEQUENCE, UNKNOWN, WRONG),
    Row(
        "GRU, every option",
        lambda: layers.GRU(
            4,
            return_sequences=True,
            return_state=True,
            go_backwards=True,
            reset_after=False,
            dropout=0.2,
            recurrent_dropout=0.1,
        ),
        (*SEQUENCE, floats(2, 4), jnp.arange(10).reshape(2, 5) % 4 != 0),
        (*UNKNOWN, (None, 4), Spec((None, "time"), "bool")),
        (floats(2, 5, 4), floats(2, 4), jnp.ones((2, 5), bool)),
        training=True,
    ),
    Row("LSTM", lambda: layers.LSTM(4), SEQUENCE, UNKNOWN, WRONG),
    Row("SimpleRNN", lambda: layers.SimpleRNN(4, unroll=True), SEQUENCE, ((None, 5, 3),), WRONG),
    Row(
        "GRUCell",
        lambda: layers.GRUCell(4, dropout=0.2),
        (floats(2, 3), floats(2, 4)),
        ((None, 3), (None, 4)),
        (floats(2, 4), floats(2, 4)),
        training=True,
    ),
    Row(
        "SimpleRNNCell",
        lambda: layers.SimpleRNNCell(4),
        (floats(2, 3), floats(2, 4)),
        ((None, 3), (None, 4)),
        (floats(2, 4), floats(2, 4)),
    ),
    Row(
        "RNN of stacked cells",
        lambda: layers.RNN(
            [layers.LSTMCell(4, recurrent_dropout=0.2), Leaky()],
            return_sequences=True,
            return_state=True,
        ),
        SEQUENCE,
        UNKNOWN,
        WRONG,
        training=True,
    ),
    Row("Bidirectional", lambda: layers.Bidirectional(layers.LSTM(4)), SEQUENCE, UNKNOWN, WRONG),
    Row(
        "TimeDistributed",
        lambda: layers.TimeDistributed(layers.Dense(4)),
        SEQUENCE,
        UNKNOWN,
        WRONG,
    ),
    Row("Remat", lambda: layers.Remat(layers.Dense(4)), SEQUENCE, UNKNOWN, WRONG),
    Row(
        "Stack",
        lambda: Sequential([layers.Dense(4), layers.Stack(layers.Dense(4, "tanh"), 3)]),
        SEQUENCE,
        UNKNOWN,
        WRONG,
    ),
    Row("Ensemble", Averaged, SEQUENCE, UNKNOWN, WRONG),
    Row(
        "ConvLSTM1D",
        lambda: layers.ConvLSTM1D(2, 3),
        (floats(2, 3, 5, 2),),
        ((None, "time", 5, 2),),
        (floats(2, 3, 5, 3),),
    ),
    Row(
        "ConvLSTM2D",
        lambda: layers.ConvLSTM2D(1, 2, return_sequences=True),
        (floats(2, 2, 3, 3, 2),),
        ((None, "time", 3, 3, 2),),
        (floats(2, 2, 3, 3, 3),),
    ),
    Row(
        "ConvLSTM3D",
        lambda: layers.ConvLSTM3D(1, 2),
        (floats(1, 2, 2, 2, 2, 1),),
        ((None, "time", 2, 2, 2, 1),),
        (floats(1, 2, 2, 2, 2, 2),),
    ),
    Row("Dropout", lambda: layers.Dropout(0.4), SEQUENCE, UNKNOWN, training=True),
    Row("Activation", lambda: layers.Activation("tanh"), SEQUENCE, UNKNOWN),
    Row("Flatten", layers.Flatten, SEQUENCE, ((None, 5, 3),)),
    Row("Reshape", lambda: layers.Reshape((3, -1)), SEQUENCE, ((None, 5, 3),)),
    Row("Permute", lambda: layers.Permute((2, 1)), SEQUENCE, UNKNOWN),
    Row("RepeatVector", lambda: layers.RepeatVector(3), (floats(2, 3),), ((None, 3),)),
    over_space("Conv1D", 4, 3, padding="causal", dilation_rate=2, weights=True),
    over_space("Conv2D", 4, 3, strides=2, activation="tanh", weights=True),
    over_space("Conv3D", 4, 2, padding="same", groups=2, weights=True),
    over_space("Conv1DTranspose", 3, 3, strides=2, output_padding=1, weights=True),
    over_space("Conv2DTranspose", 3, 3, strides=2, padding="same", weights=True),
    over_space("Conv3DTranspose", 3, 2, use_bias=False, weights=True),
    over_space("DepthwiseConv1D", 3, weights=True),
    over_space("DepthwiseConv2D", 3, depth_multiplier=2, weights=True),
    over_space("SeparableConv1D", 3, 3, weights=True),
    over_space("SeparableConv2D", 3, 3, depth_multiplier=2, weights=True),
    *[over_space(f"MaxPooling{rank}D") for rank in (1, 2, 3)],
    *[over_space(f"AveragePooling{rank}D", 3, 2, "same") for rank in (1, 2)],
    over_space("AveragePooling3D", (3, 2, 1), 2, "same"),
    *[over_space(f"GlobalMaxPooling{rank}D") for rank in (1, 2, 3)],
    *[over_space(f"GlobalAveragePooling{rank}D", keepdims=True) for rank in (1, 2, 3)],
    *[over_space(f"AdaptiveMaxPooling{rank}D", 3) for rank in (1, 2, 3)],
    *[over_space(f"AdaptiveAveragePooling{rank}D", 3) for rank in (1, 2, 3)],
    *[over_space(f"Cropping{rank}D", 1) for rank in (1, 2, 3)],
    *[over_space(f"ZeroPadding{rank}D") for rank in (1, 2, 3)],
    *[over_space(f"UpSampling{rank}D") for rank in (1, 2, 3)],
    Row("LayerNormalization", layers.LayerNormalization, SEQUENCE, UNKNOWN, WRONG),
    Row("BatchNormalization", layers.BatchNormalization, SEQUENCE, UNKNOWN, WRONG, True),
    Row("GroupNormalization", lambda: layers.GroupNormalization(-1), SEQUENCE, UNKNOWN, WRONG),
    Row("RMSNormalization", layers.RMSNormalization, SEQUENCE, UNKNOWN, WRONG),
    Row("UnitNormalization", layers.UnitNormalization, SEQUENCE, UNKNOWN),
    Row(
        "SpectralNormalization",
        lambda: layers.SpectralNormalization(layers.Dense(4), power_iterations=8),
        SEQUENCE,
        UNKNOWN,
        WRONG,
        training=True,
    ),
    Row("AlphaDropout", lambda: layers.AlphaDropout(0.4), SEQUENCE, UNKNOWN, training=True),
    Row("GaussianNoise", lambda: layers.GaussianNoise(0.4), SEQUENCE, UNKNOWN, training=True),
    Row("GaussianDropout", lambda: layers.GaussianDropout(0.4), SEQUENCE, UNKNOWN, training=True),
    Row("SpatialDropout1D", lambda: layers.SpatialDropout1D(0.4), SEQUENCE, UNKNOWN, training=True),
    Row(
        "SpatialDropout2D",
        lambda: layers.SpatialDropout2D(0.4),
        (floats(2, 3, 3, 2),),
        ((None, None, None, 2),),
        training=True,
    ),
    Row(
        "SpatialDropout3D",
        lambda: layers.SpatialDropout3D(0.4),
        (floats(2, 2, 2, 2, 2),),
        ((None, None, None, None, 2),),
        training=True,
    ),
    Row(
        "EinsumDense",
        lambda: layers.EinsumDense("abc,cde->abde", (None, 2, 4), "tanh", "e"),
        SEQUENCE,
        UNKNOWN,
        WRONG,
    ),
    Row("ReversibleEmbedding", ThereAndBack, (ids(2, 5),), (Spec((None, None), "int32"),)),
    Row(
        "ReversibleEmbedding, not tied",
        lambda: ThereAndBack(tie_weights=False, logit_soft_cap=2.0),
        (ids(2, 5),),
        (Spec((None, None), "int32"),),
    ),
    Row("ActivityRegularization", lambda: layers.ActivityRegularization(0.1), SEQUENCE, UNKNOWN),
    Row("Identity", layers.Identity, SEQUENCE, UNKNOWN),
    Row("Lambda", lambda: layers.Lambda(jnp.sum, arguments={"axis": -1}), SEQUENCE, UNKNOWN),
    Row("Masking", layers.Masking, SEQUENCE, UNKNOWN),
    Row("Rescaling", lambda: layers.Rescaling(2.0, offset=1.0), SEQUENCE, UNKNOWN),
    Row("Normalization", layers.Normalization, SEQUENCE, UNKNOWN, WRONG),
    Row(
        "CategoryEncoding",
        lambda: layers.CategoryEncoding(7, "count"),
        (ids(2, 5),),
        (Spec((None, "sample"), "int32"),),
    ),
    Row(
        "IntegerLookup",
        lambda: layers.IntegerLookup(vocabulary=[4, 2, 5], num_oov_indices=2, mask_token=0),
        (ids(2, 5),),
        (Spec((None, "time"), "int32"),),
    ),
    Row("Hashing", lambda: layers.Hashing(3), (ids(2, 5),), (Spec((None, "time"), "int32"),)),
    Row(
        "HashedCrossing",
        lambda: Merged(layers.HashedCrossing(3)),
        (ids(4), ids(4)[::-1]),
        (Spec((None,), "int32"),) * 2,
    ),
    Row("Discretization", lambda: layers.Discretization([-0.5, 0.5]), SEQUENCE, UNKNOWN),
    Row(
        "STFTSpectrogram",
        lambda: layers.STFTSpectrogram("magnitude", 4),
        (floats(2, 20, 3),),
        ((None, "time", 3),),
    ),
    Row(
        "MelSpectrogram",
        lambda: layers.MelSpectrogram(8, 4, num_mel_bins=3),
        (floats(2, 20),),
        ((None, "time"),),
    ),
    over_space("CenterCrop", 3, 2, rank=2),
    over_space("Resizing", 5, 2, crop_to_aspect_ratio=True, rank=2),
    *[
        Row(name, lambda name=name: Merged(getattr(layers, name)()), SEQUENCE * 2, UNKNOWN * 2)
        for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
    ],
    Row("Dot", lambda: Merged(layers.Dot(-1, normalize=True)), SEQUENCE * 2, UNKNOWN * 2),
    *[Row(name, getattr(layers, name), SEQUENCE, UNKNOWN) for name in ("ReLU", "LeakyReLU", "ELU")],
    Row("PReLU", lambda: layers.PReLU(shared_axes=1), SEQUENCE, UNKNOWN, WRONG),
    Row(
        "Softmax",
        layers.Softmax,
        (*SEQUENCE, floats(2, 5, 3) > -0.5),
        (*UNKNOWN, Spec((None, "time", 3), "bool")),
    ),
    Row(
        "Attention",
        lambda: Merged(layers.Attention(use_scale=True, score_mode="concat", dropout=0.2)),
        (floats(2, 5, 3), floats(2, 4, 3)),
        ((None, "time", 3), (None, "source", 3)),
        training=True,
    ),
    Row(
        "AdditiveAttention",
        lambda: Merged(layers.AdditiveAttention()),
        (floats(2, 5, 3), floats(2, 4, 3)),
        ((None, "time", 3), (None, "source", 3)),
        (floats(2, 5, 4), floats(2, 4, 4)),
    ),
    Row(
        "MultiHeadAttention",
        lambda: layers.MultiHeadAttention(2, 3, dropout=0.2, use_gate=True),
        (floats(2, 5, 4), floats(2, 3, 4)),
        ((None, "time", 4), (None, "source", 4)),
        (floats(2, 5, 4), floats(2, 3, 6)),
        training=True,
    ),
    Row(
        "GroupedQueryAttention",
        lambda: layers.GroupedQueryAttention(2, 4, 2, rotary=layers.RotaryEmbedding()),
        (floats(2, 5, 4), floats(2, 5, 4)),
        ((None, "time", 4), (None, "time", 4)),
        (floats(2, 5, 6), floats(2, 5, 4)),
    ),
    Row("RotaryEmbedding", layers.RotaryEmbedding, (floats(2, 5, 4),), ((None, "time", 4),)),
    Row(
        "TransformerEncoderBlock",
        lambda: layers.TransformerEncoderBlock(6, 2, dropout=0.2),
        (floats(2, 5, 4),),
        ((None, "time", 4),),
        (floats(2, 5, 6),),
        training=True,
    ),
    Row(
        "TransformerDecoderBlock",
        lambda: layers.TransformerDecoderBlock(6, 2, activation="tanh", normalize_first=True),
        (floats(2, 5, 4), floats(2, 3, 6)),
        ((None, "time", 4), (None, "source", 6)),
        (floats(2, 5, 4), floats(2, 3, 4)),
    ),
    Row("Residual", lambda: layers.Residual(layers.Dense(3)), SEQUENCE, UNKNOWN, WRONG),
    Row(
        "Sequential",
        lambda: Sequential(
            [
                layers.Embedding(7, 4, mask_zero=True),
                layers.GRU(5),
                layers.BatchNormalization(),
                layers.Dropout(0.2),
                layers.Dense(3),
            ]
        ),
        (ids(2, 5),),
        (Spec((None, None), "int32"),),
        training=True,
    ),
    row_of_augmentations(
        layers.RandomFlip,
        lambda: layers.RandomRotation(0.2),
        lambda: layers.RandomZoom(0.3),
        lambda: layers.RandomTranslation(0.3, 0.2),
        lambda: layers.RandomShear(0.3, 0.2),
        lambda: layers.RandomCrop(3, 3),
    ),
    row_of_augmentations(
        lambda: layers.RandomBrightness(0.2),
        lambda: layers.RandomContrast(0.2, (-2, 2)),
        layers.AutoContrast,
        layers.Equalization,
        layers.RandomInvert,
        lambda: layers.RandomPosterization(4, (-2, 2)),
        lambda: layers.Solarization(0.2, 0.5, (-2, 2)),
    ),
    row_of_augmentations(
        layers.RandomGrayscale,
        lambda: layers.RandomHue(0.2, (-2, 2)),
        lambda: layers.RandomSaturation((0.4, 0.6), (0, 1)),
        lambda: layers.RandomColorJitter((0, 1), 0.1, 0.1, 0.1, 0.1),
        lambda: layers.RandomColorDegeneration(0.5, (-2, 2)),
    ),
    row_of_augmentations(
        lambda: layers.RandomSharpness(0.8, (-2, 2)),
        lambda: layers.RandomGaussianBlur(value_range=(-2, 2)),
        layers.RandomErasing,
        layers.RandomPerspective,
        layers.MixUp,
        layers.CutMix,
        lambda: layers.RandomElasticTransform(value_range=(-2, 2)),
        lambda: layers.ContrastLimitedAdaptiveHistogramEqualization((-2, 2), tile_grid_size=2),
        lambda: layers.Pipeline([layers.MaxNumBoundingBoxes(3), layers.Identity()]),
    ),
    row_of_augmentations(
        lambda: layers.RandAugment((-2, 2)),
        lambda: layers.AugMix((-2, 2), 1, 1, all_ops=False),
    ),
    Row(
        "an attention decoder",
        Decoder,
        (ids(2, 1), floats(2, 6), floats(2, 5, 3)),
        (Spec((None, 1), "int32"), (None, 6), (None, "time", 3)),
        (ids(2, 1), floats(2, 6), floats(2, 5, 4)),
    ),
    Row("a layer in a scan", Scanned, SEQUENCE, UNKNOWN, WRONG),
    Row("shared layers and tied weights", Tied, (ids(2, 5),), (Spec((None, None), "int32"),)),
]
AS_USERS_RUN = {"GRU, every option", "Conv2D", "MultiHeadAttention"}


def over_rows(optimized: Collection[str] = ()):
    """Over all rows, of which those named `optimized` run as users run.

    In the scope of the module, pytest runs all laws of a row together: they share programs.
    """
    marks = {name: [pytest.mark.as_users_run] for name in optimized}
    given = [pytest.param(row, id=row.name, marks=marks.get(row.name, [])) for row in ROWS]
    return pytest.mark.parametrize("row", given, scope="module")


rows = over_rows()
rows_of_numbers = over_rows(AS_USERS_RUN)
"""For the laws of the numbers that programs give: XLA changes nothing in the others."""
KEY = jax.random.key(11)


OF_TEXT = (layers.StringLookup, layers.TextVectorization)
"""Layers that are called outside of programs."""


def test_every_layer_has_a_row():
    rows = {type(layer) for row in ROWS for _, layer in walk(row.make()).layers.values()}
    listed = [getattr(layers, name) for name in layers.__all__]
    kinds = {kind for kind in listed if inspect.isclass(kind)}
    assert kinds - rows == {Layer, *OF_TEXT}


def run(layer, *inputs, training=False):
    return layer(*inputs, training=training, rng=KEY)


def equal(left, right):
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_array_equal(a, b)


def close(left, right):
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5, rtol=2e-5)


def built(row):
    lamina.set_seed(4)
    layer = row.make()
    layer.build(*row.inputs)
    return layer


def snapshot(layer):
    memento = Memento()
    memento.add(layer)
    return [(container, state) for container, state in memento.states.values()]


def unchanged(before, layer):
    after = snapshot(layer)
    assert len(before) == len(after)
    for (one, state), (other, now) in zip(before, after, strict=True):
        assert one is other
        items = now.items() if isinstance(now, dict) else enumerate(now)
        assert len(state) == len(now)
        assert all(state[key] is value for key, value in items)


def traced(function, *inputs):
    """Trace a program, which builds layers. JAX compiles nothing."""
    jax.jit(function).trace(*inputs)


WAYS = {
    "jax.jit": lambda layer, row: traced(lambda *x: layer(*x), *row.inputs),
    "scan": lambda layer, row: traced(
        lambda *x: jax.lax.scan(lambda carry, _: (carry, layer(*x)), 0, np.arange(2)), *row.inputs
    ),
    "vmap": lambda layer, row: traced(
        jax.vmap(lambda *x: layer(*x)), *[np.stack([x, x]) for x in row.inputs]
    ),
    "eval_shape": lambda layer, row: jax.eval_shape(lambda *x: layer(*x), *row.inputs),
    "shard_map": lambda layer, row: traced(
        jax.shard_map(
            lambda *x: layer(*x),
            mesh=jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,)),
            in_specs=jax.sharding.PartitionSpec(),
            out_specs=jax.sharding.PartitionSpec(),
            check_vma=False,
        ),
        *row.inputs,
    ),
}
"""Ways to the first values. Law 5 goes those of plain calls and of `lamina.jit`, law 8 another."""


@functools.cache
def first_built(name):
    """What `built` gives a row, made once for all laws that do not modify it."""
    return built(next(row for row in ROWS if row.name == name))


def first_values(row):
    return first_built(row.name).values()


@pytest.mark.filterwarnings("ignore::UserWarning")
@rows
def test_1_order_free(row):
    expected = first_values(row)
    if not expected:
        return  # no values to compare
    for way in WAYS.values():
        lamina.set_seed(4)
        layer = row.make()
        way(layer, row)
        found = layer.values()
        assert list(found) == list(expected)
        equal(found, expected)


class Fails(Layer):
    """Calls a layer, then fails while `broken`."""

    def __init__(self, inner):
        self.inner, self.broken = inner, True

    def call(self, *inputs):
        outputs = self.inner(*inputs)
        if self.broken:
            raise RuntimeError("on purpose")
        return outputs


@rows
def test_2_atomic(row):
    layer = Fails(row.make())
    before = snapshot(layer)
    for attempt in (lambda: layer(*row.inputs), lambda: layer.build(*row.unknown)):
        with pytest.raises(RuntimeError, match="on purpose"):
            attempt()
        unchanged(before, layer)
        assert layer.variables == [] and not layer.inner.built
    layer.broken = False
    jax.eval_shape(lambda *x: layer(*x), *row.inputs)
    assert layer.inner.built


class Astray(Layer):
    """Calls a layer that it does not track."""

    def __init__(self, inner):
        self.function = lambda *inputs: inner(*inputs)

    def call(self, *inputs):
        return self.function(*inputs)


@rows
def test_3_complete(row):
    inner = row.make()
    weights = first_built(row.name).variables
    if not weights and not row.training:
        Astray(inner)(*row.inputs)
        return
    layer = Astray(inner)
    before = snapshot(layer)
    with pytest.raises(TrackingError, match=r"Astray\.call but not tracked") as caught:
        run(layer, *row.inputs, training=True)
    assert __file__ in str(caught.value)
    unchanged(before, layer)
    assert inner.variables == []
    frozen = built(row)
    frozen.trainable = False
    if weights:
        assert len(Astray(frozen).plan(*row.inputs).external) == 1


@rows
def test_4_pure_plan(row):
    layer = row.make()
    alike = [layer.plan(*row.inputs, training=training) for training in (False, True)]
    assert alike[0].variables == alike[1].variables and alike[0].notes == alike[1].notes == ()
    assert [c.path for c in alike[0].calls] == [c.path for c in alike[1].calls]
    gc.freeze()  # what other tests left is not looked through
    try:
        before, arrays = snapshot(layer), len(jax.live_arrays())
        plan = layer.plan(*row.unknown)
        gc.collect()
        assert len(jax.live_arrays()) <= arrays
    finally:
        gc.unfreeze()
    unchanged(before, layer)
    expected = first_values(row)
    assert [v.path for v in plan.variables] == list(expected)
    assert plan.count_params() == sum(value.size for value in expected.values())
    assert plan.nbytes == sum(value.nbytes for value in expected.values())


@rows_of_numbers
def test_5_transparent(row):
    """What the first call builds, and what a call gives, is the same live, compiled and pure."""
    layer = first_built(row.name)
    values = layer.values()
    one = layer.apply(values, *row.inputs, rng=KEY)
    for training in {False, row.training}:
        expected, after = one
        if training:
            expected, after = layer.apply(values, *row.inputs, training=True, rng=KEY)
        for way in (lambda new: new, lamina.jit):
            lamina.set_seed(4)
            new = row.make()
            close(run(way(new), *row.inputs, training=training), expected)
            close(new.values(), after)
            equal(new.values(trainable=True), layer.values(trainable=True))
    stacked = [np.stack([x, x]) for x in row.inputs]
    both = jax.jit(jax.vmap(lambda *x: layer.apply(values, *x)[0]))(*stacked)
    close(jax.tree.map(lambda part: part[1], jax.device_get(both)), one[0])


@rows_of_numbers
def test_5_gradients_are_finite_and_those_of_differences(row):
    layer = first_built(row.name)
    values = layer.values()
    if not values:
        return

    def total(values):
        outputs = layer.apply(values, *row.inputs, training=row.training, rng=KEY)[0]
        return sum(jnp.sum(jnp.sin(part)) for part in jax.tree.leaves(outputs))

    both = jax.jit(jax.value_and_grad(total))
    _, slopes = both(values)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))
    random, start = np.random.default_rng(0), jax.device_get(values)
    way = {path: random.normal(size=value.shape) for path, value in values.items()}
    step = 5e-4

    def moved(by):
        return both({path: np.float32(value + by * way[path]) for path, value in start.items()})[0]

    numeric = (moved(step) - moved(-step)) / (2 * step)
    exact = sum(np.vdot(slopes[path], way[path]) for path in values)
    np.testing.assert_allclose(exact, numeric, rtol=5e-2, atol=2e-2)


def stored(config):
    """A config after JSON, which must not change it."""
    text = json.dumps(config, allow_nan=False)
    assert json.loads(text) == config
    return json.loads(text)


def remade(layer):
    config = stored(layer.get_config())
    twin = type(layer).from_config(config)
    assert type(twin) is type(layer) and twin is not layer
    assert twin.get_config() == config
    return twin


@rows_of_numbers
def test_6_round_trip(row, tmp_path):
    layer = built(row)
    layer.set_values(jax.tree.map(lambda value: value * 1.5 + 0.25, jax.device_get(layer.values())))
    expected = layer(*row.inputs)
    equal(copy.deepcopy(layer)(*row.inputs), expected)
    fresh = copy.deepcopy(row.make())
    if "callable" not in row.name:
        equal(pickle.loads(pickle.dumps(layer))(*row.inputs), expected)
        remade(row.make())
        twin = remade(layer)  # building changes no config
        twin.build(*row.inputs)
        twin.set_values(layer.values())
        equal(twin(*row.inputs), expected)
        if row.training:
            both = [run(one, *row.inputs, training=True) for one in (twin, copy.deepcopy(layer))]
            equal(*both)
    if not layer.variables:
        fresh.build(*row.inputs)
        return
    layer.save_weights(tmp_path / "weights.safetensors")
    fresh.load_weights(tmp_path / "weights.safetensors")
    equal(fresh(*row.inputs), expected)
    equal(fresh.values(), layer.values())
    if "callable" not in row.name:
        lamina.saving.save(layer, tmp_path / "model.lamina")
        equal(lamina.load(tmp_path / "model.lamina")(*row.inputs), expected)


class Holder(Layer):
    def __init__(self, inner):
        self.inner = inner

    def call(self, *inputs):
        return self.inner(*inputs)


@rows
def test_7_legible(row):
    if row.wrong is None:
        return
    layer = Holder(row.make())
    layer.build(*row.inputs)
    with pytest.raises(InputError) as caught:
        layer(*row.wrong)
    text = str(caught.value)
    for part in ("inner", "built at", __file__, "expected:", "received:", "remedy:", "axis -1"):
        assert part in text


@rows
def test_8_dim_safe(row):
    lamina.set_seed(4)
    layer = row.make()
    layer.build(*row.unknown)
    assert list(layer.values()) == list(first_values(row))
    equal(layer.values(), first_values(row))
    outputs = layer.plan(*row.unknown).calls[0].outputs
    for spec in jax.tree.leaves(outputs, is_leaf=lambda leaf: isinstance(leaf, Spec)):
        assert spec.shape[0] is None
    values = layer.values()
    single, double = [
        jax.eval_shape(lambda *x: layer.apply(values, *x)[0], *inputs)
        for inputs in (row.inputs, [np.concatenate([x, x]) for x in row.inputs])
    ]
    equal(
        jax.tree.map(lambda a: a.shape, double),
        jax.tree.map(lambda a: (2 * a.shape[0], *a.shape[1:]), single),
    )
