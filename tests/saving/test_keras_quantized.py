"""Files of Keras with kernels of integers: read, and written so that Keras reads them."""

import h5py
import keras
import numpy as np
import pytest

import lamina
from lamina import Sequential, layers, quantizers
from lamina.errors import FileFormatError, LaminaError

IDS = np.array([[0, 3, 8], [1, 1, 2]])
X = np.random.default_rng(0).normal(size=(2, 3, 6)).astype("float32")


def model(tied):
    k, ids = keras.layers, keras.Input((3,), dtype="int32")
    embedding = k.ReversibleEmbedding(9, 4, tie_weights=tied)
    x = k.EinsumDense("abc,cd->abd", output_shape=(3, 4))(embedding(ids))
    x = k.EinsumDense("abc,cde->abde", output_shape=(3, 5, 6), bias_axes="e")(x)
    x = embedding(k.Dense(4)(k.Flatten()(k.Embedding(9, 2)(ids)))[:, None], reverse=True), x
    return keras.Model(ids, x)


def agree(ours, theirs):
    for array, other in zip(lamina.jit(ours)(IDS), theirs.predict_on_batch(IDS), strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("tied", "mode", "options"),
    [
        (True, "int8", {}),
        (True, "int4", {"block_size": None}),
        (False, "int4", {"block_size": 3}),
    ],
)
def test_integers_are_the_same_in_both_directions(tied, mode, options, tmp_path):
    theirs = model(tied)
    kind = "Int8QuantizationConfig" if mode == "int8" else "Int4QuantizationConfig"
    theirs.quantize(config=getattr(keras.quantizers, kind)(**options))
    theirs.save(tmp_path / "theirs.keras")
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours = lamina.load(tmp_path / "theirs.keras")
    agree(ours, theirs)
    zeros = {path: np.zeros_like(array) for path, array in ours.values().items()}
    ours.set_values(zeros)
    ours.load_weights(tmp_path / "theirs.weights.h5")
    agree(ours, theirs)
    ours.save(tmp_path / "ours.keras")
    again = keras.saving.load_model(tmp_path / "ours.keras")
    for array, other in zip(again.weights, theirs.weights, strict=True):
        assert array.dtype == other.dtype
        np.testing.assert_array_equal(array, other)


def test_low_rank_updates_are_added(tmp_path):
    ours = Sequential([lamina.Input((3, 6)), layers.Dense(4)])
    ours.quantize("int8")
    layer = ours.layers[0]
    layer.enable_lora(2)
    ours(X)
    layer.lora.b.assign(np.ones((2, 4)))
    ours.save(tmp_path / "model.keras")
    theirs = keras.saving.load_model(tmp_path / "model.keras")
    layer.merge_lora()
    np.testing.assert_allclose(theirs(X), ours(X), rtol=1e-5, atol=1e-6)


def test_what_is_refused(tmp_path):
    attention = layers.MultiHeadAttention(2, 3)
    x = lamina.Input((3, 6))
    graph = lamina.Model(x, attention(x, x))
    graph.quantize("int8")
    with pytest.raises(LaminaError, match="the quantized projections of MultiHeadAttention"):
        graph.save(tmp_path / "model.keras")
    other = Sequential([lamina.Input((3, 6)), layers.EinsumDense("abc,dc->abd", (None, 4))])
    other.quantize("int4")
    with pytest.raises(FileFormatError, match="by other axes"):
        other.save(tmp_path / "model.keras")
    floats = Sequential([lamina.Input((3, 6)), layers.Dense(6)])
    integers = Sequential([lamina.Input((3, 6)), layers.Dense(6)])
    integers.quantize("int8")
    integers.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(FileFormatError, match="does not match"):
        floats.load_weights(tmp_path / "model.weights.h5")


def test_blocks_in_another_order_are_refused(tmp_path):
    model = Sequential([lamina.Input((3, 6)), layers.Dense(4)])
    model.quantize(config=quantizers.Int4QuantizationConfig(block_size=3))
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    model.load_weights(path)
    with h5py.File(path, "r+") as file:
        file["layers/dense/vars/4"][...] = np.arange(6)[::-1] // 3
    with pytest.raises(FileFormatError, match="another order"):
        model.load_weights(path)
