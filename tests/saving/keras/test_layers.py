"""Each layer that Keras and Lamina both have, through files, there and back."""

import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
from lamina.saving.keras.sources import opened

keras = pytest.importorskip("keras")

FLAT, STEPS, IMAGE, VIDEO = (5,), (6, 4), (8, 8, 4), (3, 6, 6, 2)
IDS = "ids"
LAYERS = {
    "dense": (
        lambda k: k.Dense(3, "relu", kernel_regularizer="l2", bias_constraint="non_neg"),
        FLAT,
    ),
    "dense without bias": (lambda k: k.Dense(3, use_bias=False), STEPS),
    "einsum": (lambda k: k.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d"), STEPS),
    "embedding": (lambda k: k.Embedding(9, 3, mask_zero=True), IDS),
    "reversible embedding": (lambda k: k.ReversibleEmbedding(9, 3, tie_weights=False), IDS),
    "conv1d": (lambda k: k.Conv1D(3, 2, padding="causal", dilation_rate=2), STEPS),
    "conv2d": (lambda k: k.Conv2D(4, 3, 2, "same", groups=2, activation="gelu"), IMAGE),
    "conv3d": (lambda k: k.Conv3D(2, 2, use_bias=False), VIDEO),
    "conv1d transposed": (lambda k: k.Conv1DTranspose(3, 2, 2), STEPS),
    "conv2d transposed": (lambda k: k.Conv2DTranspose(3, 2, 2, "same"), IMAGE),
    "conv3d transposed": (lambda k: k.Conv3DTranspose(2, 2), VIDEO),
    "depthwise1d": (lambda k: k.DepthwiseConv1D(2, depth_multiplier=2), STEPS),
    "depthwise2d": (lambda k: k.DepthwiseConv2D(2, depth_multiplier=2), IMAGE),
    "separable1d": (lambda k: k.SeparableConv1D(3, 2), STEPS),
    "separable2d": (lambda k: k.SeparableConv2D(3, 2), IMAGE),
    "batch": (lambda k: k.BatchNormalization(momentum=0.9, epsilon=1e-5), IMAGE),
    "batch without scale": (lambda k: k.BatchNormalization(axis=1, scale=False), STEPS),
    "batch without both": (lambda k: k.BatchNormalization(scale=False, center=False), STEPS),
    "layer": (lambda k: k.LayerNormalization(axis=[1, 2], center=False), STEPS),
    "group": (lambda k: k.GroupNormalization(2), IMAGE),
    "rms": (lambda k: k.RMSNormalization(), STEPS),
    "unit": (lambda k: k.UnitNormalization(), STEPS),
    "normalization": (lambda k: k.Normalization(), FLAT),
    "normalization by values": (lambda k: k.Normalization(mean=1.0, variance=2.0), FLAT),
    "prelu": (lambda k: k.PReLU(shared_axes=[1]), STEPS),
    "spectral": (lambda k: k.SpectralNormalization(k.Dense(3)), FLAT),
    "lstm": (lambda k: k.LSTM(3, return_sequences=True, go_backwards=True), STEPS),
    "lstm without bias": (lambda k: k.LSTM(3, use_bias=False), STEPS),
    "gru": (lambda k: k.GRU(3, dropout=0.1), STEPS),
    "gru reset before": (lambda k: k.GRU(3, reset_after=False), STEPS),
    "simple rnn": (lambda k: k.SimpleRNN(3, activation="relu"), STEPS),
    "cell": (lambda k: k.RNN(k.GRUCell(3)), STEPS),
    "cells": (lambda k: k.RNN([k.LSTMCell(3), k.LSTMCell(2), k.SimpleRNNCell(2)]), STEPS),
    "stacked cells": (lambda k: k.RNN(k.StackedRNNCells([k.GRUCell(3), k.GRUCell(2)])), STEPS),
    "bidirectional": (lambda k: k.Bidirectional(k.LSTM(3), merge_mode="sum"), STEPS),
    "two directions": (
        lambda k: k.Bidirectional(k.GRU(3), backward_layer=k.SimpleRNN(3, go_backwards=True)),
        STEPS,
    ),
    "conv lstm1d": (lambda k: k.ConvLSTM1D(2, 2), (3, 6, 2)),
    "conv lstm2d": (lambda k: k.ConvLSTM2D(2, 2, return_sequences=True), VIDEO),
    "conv lstm3d": (lambda k: k.ConvLSTM3D(2, 2), (2, 4, 4, 4, 2)),
    "distributed": (lambda k: k.TimeDistributed(k.Dense(3)), STEPS),
    "activation": (lambda k: k.Activation("swish"), FLAT),
    "leaky relu": (lambda k: k.LeakyReLU(negative_slope=0.2), FLAT),
    "relu": (lambda k: k.ReLU(max_value=6.0, threshold=0.1), FLAT),
    "elu": (lambda k: k.ELU(alpha=0.5), FLAT),
    "softmax": (lambda k: k.Softmax(axis=1), STEPS),
    "dropout": (lambda k: k.Dropout(0.5, noise_shape=(None, 1, 4), seed=3), STEPS),
    "spatial dropout": (lambda k: k.SpatialDropout2D(0.5), IMAGE),
    "noise": (lambda k: k.GaussianNoise(0.5), FLAT),
    "alpha dropout": (lambda k: k.AlphaDropout(0.5), FLAT),
    "penalty": (lambda k: k.ActivityRegularization(l1=0.1), FLAT),
    "masking": (lambda k: k.Masking(0.5), STEPS),
    "flatten": (lambda k: k.Flatten(), IMAGE),
    "reshape": (lambda k: k.Reshape((-1, 2)), STEPS),
    "permute": (lambda k: k.Permute((2, 1)), STEPS),
    "repeat": (lambda k: k.RepeatVector(3), FLAT),
    "rescaling": (lambda k: k.Rescaling([0.5, 2.0, 1.0, 1.0], 1.0), STEPS),
    "resizing": (lambda k: k.Resizing(4, 4, interpolation="nearest"), IMAGE),
    "center crop": (lambda k: k.CenterCrop(4, 4), IMAGE),
    "max pooling": (lambda k: k.MaxPooling2D(2, padding="same"), IMAGE),
    "average pooling": (lambda k: k.AveragePooling1D(2), STEPS),
    "global pooling": (lambda k: k.GlobalAveragePooling2D(keepdims=True), IMAGE),
    "adaptive pooling": (lambda k: k.AdaptiveAveragePooling2D(2), IMAGE),
    "padding": (lambda k: k.ZeroPadding2D(((1, 2), (0, 1))), IMAGE),
    "cropping": (lambda k: k.Cropping1D(1), STEPS),
    "upsampling": (lambda k: k.UpSampling2D(2, interpolation="bilinear"), IMAGE),
    "upsampling1d": (lambda k: k.UpSampling1D(2), STEPS),
    "identity": (lambda k: k.Identity(), FLAT),
    "bfloat16": (lambda k: k.Dense(3, dtype="bfloat16"), FLAT),
    "mixed precision": (lambda k: k.Dense(3, dtype="mixed_bfloat16"), FLAT),
}


def inputs_of(shape):
    dtype = "int32" if shape is IDS else "float32"
    return keras.Input((6,) if shape is IDS else shape, dtype=dtype)


def by_path(path):
    """The arrays of a file, without the number of examples that Normalization counts."""
    with opened(str(path)) as source:
        return {
            name: array.read()
            for name, array in source.arrays.items()
            if array.shape or "spec" in name
        }


def there_and_back(layer, shape, folder):
    """Write a model of one layer in Keras, in Lamina and compare both files and both models."""
    theirs = keras.Sequential([inputs_of(shape), layer])
    theirs.save(folder / "keras.keras")
    ours = lamina.load(folder / "keras.keras")
    ours.save(folder / "lamina.keras")
    back = keras.models.load_model(folder / "lamina.keras")
    stored, written = by_path(folder / "keras.keras"), by_path(folder / "lamina.keras")
    assert stored.keys() == written.keys()
    for path, array in stored.items():
        np.testing.assert_array_equal(written[path], array, err_msg=path)
    assert _options(back) == _options(theirs)
    for one, other in zip(back.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other), err_msg=one.path)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_the_same_in_files_of_both(name, tmp_path):
    make, shape = LAYERS[name]
    there_and_back(make(keras.layers), shape, tmp_path)


OPTIONS = {
    "use_bias": st.booleans(),
    "activation": st.sampled_from(["relu", "gelu", "swish", "softmax", "linear", "hard_sigmoid"]),
    "kernel_regularizer": st.sampled_from([None, "l1", keras.regularizers.L1L2(0.1, 0.2)]),
    "bias_initializer": st.sampled_from(["zeros", "ones", keras.initializers.Constant(0.5)]),
    "kernel_constraint": st.sampled_from([None, "unit_norm", keras.constraints.MaxNorm(3)]),
    "trainable": st.booleans(),
    "dtype": st.sampled_from(["float32", "float16", "mixed_bfloat16"]),
}
RECURRENT = {
    "return_sequences": st.booleans(),
    "go_backwards": st.booleans(),
    "unroll": st.booleans(),
    "dropout": st.sampled_from([0.0, 0.25]),
    "recurrent_dropout": st.sampled_from([0.0, 0.5]),
}


@st.composite
def layers_drawn(draw):
    """A class of Keras with drawn arguments and options, and the shape of its input."""
    k = keras.layers
    kind = draw(st.sampled_from([k.Dense, k.Conv1D, k.Conv2D, k.LSTM, k.GRU, k.SimpleRNN]))
    options = {name: draw(one) for name, one in OPTIONS.items() if draw(st.booleans())}
    if kind is k.Dense:
        shape = draw(st.sampled_from([FLAT, STEPS, IMAGE]))
        return kind, (draw(st.integers(1, 4)),), options, shape
    if kind in (k.Conv1D, k.Conv2D):
        options |= {"padding": draw(st.sampled_from(["valid", "same"]))}
        options |= draw(st.sampled_from([{}, {"strides": 2}, {"dilation_rate": 2}, {"groups": 2}]))
        shape = STEPS if kind is k.Conv1D else IMAGE
        sizes = 2 * draw(st.integers(1, 2)), draw(st.integers(1, 3))
        return kind, sizes, options, shape
    options |= {name: draw(one) for name, one in RECURRENT.items() if draw(st.booleans())}
    return kind, (draw(st.integers(1, 3)),), options, STEPS


@settings(max_examples=25, deadline=None, database=None)
@given(layers_drawn())
def test_drawn_options_are_the_same_in_files_of_both(drawn):
    kind, sizes, options, shape = drawn
    with tempfile.TemporaryDirectory() as folder:
        there_and_back(kind(*sizes, **options), shape, Path(folder))


def _options(model):
    """The config of the layer, with lists for tuples and full objects for names."""
    config = keras.saving.serialize_keras_object(model.layers[-1])
    return jax.tree.map(lambda leaf: leaf, _plain(config))


def _plain(value):
    if isinstance(value, dict):
        left_out = ("name", "build_config", "shared_object_id", "seed", "registered_name")
        return {key: _plain(item) for key, item in value.items() if key not in left_out}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
