"""Layers whose kernels are stored as integers, compared with Keras on the same weights."""

import copy
import pickle

import jax
import keras
import numpy as np
import pytest

import lamina
from lamina import Model, Sequential, layers, quantizers
from lamina.errors import BuildError, InputError, TrackingError, UnknownNameError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 5, 10)).astype("float32")
HEADS = RNG.normal(size=(2, 5, 3, 4)).astype("float32")
IDS = np.array([[0, 3, 8], [1, 1, 2]])

CONFIGS = {
    "int8": ("Int8QuantizationConfig", {}),
    "int8, floats in": ("Int8QuantizationConfig", {"activation_quantizer": None}),
    "int4": ("Int4QuantizationConfig", {}),
    "int4, blocks of 3": ("Int4QuantizationConfig", {"block_size": 3}),
    "int4, no blocks": ("Int4QuantizationConfig", {"block_size": None}),
}
LAYERS = {
    "Dense": (lambda m: m.Dense(7, activation="relu"), X, {}),
    "three axes": (lambda m: m.EinsumDense("abc,cde->abde", (None, 4, 3), bias_axes="de"), X, {}),
    "two sums": (lambda m: m.EinsumDense("abcd,cde->abe", (None, 6), bias_axes="e"), HEADS, {}),
    "Embedding": (lambda m: m.Embedding(9, 10), IDS, {}),
    "tied": (lambda m: m.ReversibleEmbedding(9, 10), X, {"reverse": True}),
    "not tied": (lambda m: m.ReversibleEmbedding(9, 10, False), X, {"reverse": True}),
}


def pair(make, x, call):
    """The same layer of both libraries with the same weights."""
    ours, theirs = make(layers), make(keras.layers)
    for one in (ours, theirs):
        one(IDS if call else x)
    weights = [RNG.normal(size=w.shape).astype("float32") for w in theirs.weights]
    for one in (ours, theirs):
        one.set_weights(weights)
    return ours, theirs


PAIRS = [("Dense", config) for config in CONFIGS]
PAIRS += [(name, config) for name in [*LAYERS][1:] for config in ("int8", "int4, blocks of 3")]


@pytest.mark.parametrize(("name", "config"), PAIRS)
def test_outputs_are_those_of_keras(name, config):
    make, x, call = LAYERS[name]
    kind, options = CONFIGS[config]
    ours, theirs = pair(make, x, call)
    theirs.quantize(config=getattr(keras.quantizers, kind)(**options))
    ours.quantize(config=getattr(quantizers, kind)(**options))
    assert ours.quantization_mode == theirs.quantization_mode
    assert ours.dtype_policy.name == theirs.dtype_policy.name
    wanted = jax.jit(lambda x: theirs(x, **call))(x)
    np.testing.assert_allclose(lamina.jit(ours)(x, **call), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("equation", ["abc,dc->abd", "abc,bcd->abd"])
def test_other_equations(equation):
    """Where the inputs are not the first axes of the kernel, or an axis is in all operands."""

    def make(module):
        return module.EinsumDense(equation, (None if "dc" in equation else 5, 4))

    ours, theirs = pair(make, X, {})
    theirs.quantize("int8")
    ours.quantize("int8")
    np.testing.assert_allclose(ours(X), theirs(X), rtol=1e-5, atol=1e-5)
    floats = make(layers)
    before = floats(X)
    floats.quantize("int4")
    assert np.abs(floats(X) - before).max() < 0.5


def test_gradients_are_those_of_keras():
    ours, theirs = pair(LAYERS["Dense"][0], X, {})
    for one in (ours, theirs):
        one.quantize("int8")
    wanted = jax.grad(lambda x: theirs(x).sum())(X)
    np.testing.assert_allclose(jax.grad(lambda x: ours(x).sum())(X), wanted, rtol=1e-5, atol=1e-6)


class Net(Model):
    def __init__(self):
        super().__init__()
        self.attention = layers.MultiHeadAttention(2, 5)
        self.deep = layers.Stack(lambda: layers.Dense(10, "relu"), 2)
        self.norm = layers.LayerNormalization()
        self.last = layers.Dense(3)

    def call(self, x):
        return self.last(self.norm(self.deep(self.attention(x, x))))


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_a_whole_model(mode):
    lamina.set_seed(0)
    model = Net()
    before = model(X)
    size = sum(array.nbytes for array in model.values().values())
    model.quantize(mode)
    after = np.asarray(model(X))
    assert 0 < np.abs(after - before).max() < (0.1 if mode == "int8" else 1)
    assert sum(array.nbytes for array in model.values().values()) < 0.6 * size
    np.testing.assert_allclose(lamina.jit(model)(X), after, rtol=1e-5, atol=1e-6)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin(X), after)
    weights = {v.path: (v.dtype, v.nbytes) for v in model.plan((None, None, 10)).variables}
    assert weights["last.kernel"] == ("int8", 30 if mode == "int8" else 20)
    assert "int8" in str(model.summary(print_fn=lambda text: None))


def test_filters():
    def model():
        made = Sequential([layers.Dense(4, name="first"), layers.Dense(3), layers.Dense(2)])
        made(X)
        return made

    def modes(made):
        return [layer.quantization_mode for layer in made.layers]

    for filters, wanted in [
        ("first", ["int8", None, None]),
        (["^first$", r"layers\.2"], ["int8", None, "int8"]),
        (lambda layer: getattr(layer, "units", 0) == 3, [None, "int8", None]),
    ]:
        made = model()
        made.quantize("int8", filters=filters)
        assert modes(made) == wanted
    made.quantize("int4", filters="first")
    assert modes(made) == ["int4", "int8", None]
    with pytest.raises(InputError, match="no layer to quantize"):
        made.quantize("int8", filters="nothing")
    with pytest.raises(InputError, match="quantized already"):
        made.quantize("int8")
    assert modes(made) == ["int4", "int8", None]


class Reading(Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4)
        self.embedding = layers.Embedding(9, 4)

    def call(self, ids):
        return self.dense(self.embedding(ids)) @ self.embedding.embeddings.value.T


def test_integers_are_not_read_as_numbers_and_nothing_is_changed():
    model = Reading()
    before, weights = np.asarray(model(IDS)), model.values()
    with pytest.raises(TrackingError, match="holds integers"):
        model.quantize("int8")
    np.testing.assert_array_equal(model(IDS), before)
    assert model.values().keys() == weights.keys() and model.dense.quantization_mode is None
    model.quantize("int8", filters="dense")
    np.testing.assert_allclose(model(IDS), before, atol=1e-3)


class Doubled(layers.Dense):
    def call(self, inputs):
        return 2 * super().call(inputs)


def test_what_cannot_be_quantized():
    with pytest.raises(BuildError, match="not built"):
        layers.Dense(2).quantize("int8")
    for layer in (layers.Conv1D(2, 3), Doubled(2), layers.ReLU()):
        layer(X)
        with pytest.raises(InputError, match="no layer to quantize"):
            layer.quantize("int8")
    first, second = layers.Dense(10), layers.Dense(10)
    model = Sequential([first, second])
    model(X)
    second.kernel = first.kernel
    with pytest.raises(InputError, match="weight of another layer"):
        model.quantize("int8", filters=r"layers\.0")
    with pytest.raises(UnknownNameError):
        layers.Conv1D(2, 3, dtype="int8_from_float32")
    with pytest.raises(InputError, match="differ"):
        layers.Dense(
            2, dtype="int8_from_float32", quantization_config=quantizers.Int4QuantizationConfig()
        )
    with pytest.raises(InputError, match="another kind"):
        layers.Dense(2, quantization_config=3)


def test_a_layer_that_is_made_with_integers():
    layer = layers.Dense(4, dtype="int4/3_from_bfloat16")
    assert layer(X).dtype == "bfloat16" and layer.dtype_policy.name == "int4/3_from_bfloat16"
    assert not np.asarray(layer(X)).any()
    again = layers.Dense.from_config(layer.get_config())
    assert again.dtype_policy == layer.dtype_policy
    assert "block_size=3" in repr(layer)
    with pytest.raises(BuildError):
        layers.Dense(4, quantization_config=quantizers.Int8QuantizationConfig()).build((2, None))


def test_low_rank_updates_of_integers():
    ours, theirs = pair(LAYERS["Dense"][0], X, {})
    for one in (ours, theirs):
        one.quantize("int8")
    before = np.asarray(ours(X))
    for one in (ours, theirs):
        one.enable_lora(2, lora_alpha=3)
    np.testing.assert_array_equal(ours(X), before)
    a, b = RNG.normal(size=(10, 2)).astype("float32"), RNG.normal(size=(2, 7)).astype("float32")
    ours.lora.a.assign(a), ours.lora.b.assign(b)
    theirs.lora_kernel_a.assign(a), theirs.lora_kernel_b.assign(b)
    changed = np.asarray(ours(X))
    np.testing.assert_allclose(changed, theirs(X), rtol=1e-5, atol=1e-5)
    kernel, scale, _ = theirs._get_kernel_with_merged_lora()
    ours.merge_lora()
    np.testing.assert_array_equal(ours.kernel.numpy().T, kernel)
    np.testing.assert_allclose(ours.kernel_scale.numpy(), scale, rtol=1e-6)
    np.testing.assert_allclose(ours(X), changed, atol=0.2)


def test_training():
    x, y = X[0], RNG.normal(size=(5, 3)).astype("float32")
    model = Sequential([layers.Dense(4), layers.Dense(3)])
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    model.quantize("int8")
    model.evaluate(x, y, verbose=0)
    for train in (model.fit, model.train_on_batch):
        with pytest.raises(InputError, match="is of integers"):
            train(x, y)
    model.layers[0].trainable = False
    model.layers[1].enable_lora(2)
    kernel = model.layers[0].kernel.numpy()
    model.fit(x, y, verbose=0)
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), kernel)
    assert sorted(model.values(trainable=True)) == [
        "layers.1.bias",
        "layers.1.lora.a",
        "layers.1.lora.b",
    ]
