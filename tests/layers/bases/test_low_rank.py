"""Changes of low rank: Keras's numbers, what trains and what does not, files, and errors."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest

import lamina
from lamina import Sequential, Trainer, layers
from lamina.errors import InputError
from lamina.models import clone_model
from tests.close import assert_close

KINDS = {
    "Dense": (("Dense", 4), {"activation": "tanh"}, (3, 5)),
    "EinsumDense": (("EinsumDense", "abc,cde->abde", (None, 2, 4)), {"bias_axes": "e"}, (2, 3, 5)),
    "EinsumDense, its last axis summed": (("EinsumDense", "ab,cb->ac", 4), {}, (3, 5)),
    "EinsumDense, its last axis in the middle": (("EinsumDense", "abc,cd->adb", (4, 3)), {}, None),
    "EinsumDense, dots behind": (("EinsumDense", "ab...,bc->ac...", 4), {}, (2, 5, 3)),
    "Conv2D": (("Conv2D", 4, 2), {"strides": 2}, (2, 5, 5, 3)),
    "Conv1D, grouped": (("Conv1D", 4, 2), {"groups": 2}, (2, 5, 6)),
    "Conv2D, channels first": (("Conv2D", 4, 2), {"data_format": "channels_first"}, (2, 3, 5, 5)),
}
"""The layer with its options, and the shape of an input; by Keras where it can, which on the CPU
has no convolutions with the channels first."""


def made(library, name, **more):
    (kind, *args), options, shape = KINDS[name]
    return getattr(library, kind)(*args, **options, **more), shape or (2, 3, 5)


def drawn(normal, layer):
    """A value for each weight, none of them zeros."""
    named = enumerate(layer.values().items())
    return {path: normal(*value.shape, seed=index) for index, (path, value) in named}


@pytest.fixture
def adapted(normal):
    """A layer with weights and a change drawn, its input, and its outputs."""

    def make(name, **options):
        layer, shape = made(layers, name)
        x = normal(*shape)
        layer.build(x)
        layer.enable_lora(2, **options)
        layer.build(x)
        layer.set_values(drawn(normal, layer))
        return layer, x

    return make


@pytest.mark.parametrize("name", [name for name in KINDS if "first" not in name])
def test_equals_keras(compare, normal, name):
    ours, shape = made(layers, name)
    ours.enable_lora(2)
    theirs, _ = made(keras.layers, name)
    theirs.build(shape)
    theirs.enable_lora(2)
    theirs.build = lambda _: None  # it is built already, and Keras builds once
    compare(ours, theirs, normal(*shape))


def test_an_embedding_equals_keras(compare):
    ids = jnp.asarray([[3, 1, 0]])
    theirs = keras.layers.Embedding(7, 4, lora_rank=2)
    compare(layers.Embedding(7, 4, lora_rank=2), theirs, ids)


@pytest.mark.parametrize("name", KINDS)
def test_it_is_the_kernel_with_the_change_in_it(adapted, name):
    layer, x = adapted(name, lora_alpha=5.0)
    values = layer.values()
    a, b = values.pop("lora.a"), values.pop("lora.b")
    plain, _ = made(layers, name)
    plain.build(x)
    plain.set_values(values | {"kernel": values["kernel"] + 5.0 / 2 * a @ b})
    np.testing.assert_allclose(layer(x), plain(x), rtol=1e-4, atol=1e-4)
    layer.merge_lora()
    assert layer.values().keys() == plain.values().keys()
    np.testing.assert_allclose(layer(x), plain(x), rtol=1e-4, atol=1e-4)
    assert all(variable.trainable for variable in layer.variables)


@pytest.mark.parametrize("name", KINDS)
def test_nothing_changes_at_first(normal, name):
    layer, shape = made(layers, name)
    x = normal(*shape)
    before = layer(x)
    layer.enable_lora(3)
    np.testing.assert_allclose(layer(x), before, rtol=1e-6, atol=1e-6)
    assert layer.lora.a.value.any()
    assert not layer.lora.b.value.any()


@pytest.mark.parametrize("jit", [False, True])
def test_the_way_back_of_an_embedding(normal, jit):
    words = layers.ReversibleEmbedding(7, 4, lora_rank=2, lora_alpha=3)
    hidden = normal(2, 3, 4)
    words.build(jnp.zeros((2, 3), "int32"))
    values = drawn(normal, words)
    words.set_values(values)
    table = values["embeddings"] + 1.5 * values["lora.a"] @ values["lora.b"]
    back = lambda x: words.apply(words.values(), x, reverse=True)[0]  # noqa: E731
    found = (jax.jit(back) if jit else back)(hidden)
    np.testing.assert_allclose(found, hidden @ table.T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(words(jnp.asarray([3, 1])), table[jnp.asarray([3, 1])], rtol=1e-5)


def test_an_untied_way_back_trains():
    words = layers.ReversibleEmbedding(7, 4, tie_weights=False, lora_rank=2)
    words.build(jnp.zeros((2, 3), "int32"))
    trained = words.values(trainable=True)
    assert sorted(trained) == ["lora.a", "lora.b", "reverse_embeddings"]


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(16, 5)).astype("float32")
    return x, (x @ rng.normal(size=(5, 3))).astype("float32")


def test_the_change_trains_and_the_kernel_does_not():
    x, y = data()
    model = Sequential([layers.Dense(8, "tanh"), layers.Dense(3)])
    model.compile("adam", "mean_squared_error")
    model.fit(x, y, epochs=2, verbose=0)
    for layer in model.layers:
        layer.enable_lora(2)
    model(x)
    before = model.values()
    trainer = Trainer(model, optax.adam(0.05), "mean_squared_error")
    losses = [float(trainer.step((x, y))["loss"]) for _ in range(20)]
    assert losses[-1] < losses[0] / 2
    after = model.values()
    for path, value in before.items():
        assert jnp.array_equal(value, after[path]) == path.endswith("kernel"), path


def test_a_compiled_layer_sees_it(normal):
    layer, x = layers.Dense(4), normal(2, 3)
    fast = lamina.jit(layer)
    before = fast(x)
    layer.enable_lora(2, b_initializer="ones")
    after = fast(x)
    assert not jnp.allclose(before, after)
    assert_close(after, layer(x), rtol=1e-6)
    layer.merge_lora()
    np.testing.assert_allclose(fast(x), after, rtol=1e-5, atol=1e-6)


def test_no_gradient_is_of_the_size_of_the_kernel():
    layer = layers.Dense(64, lora_rank=2)
    x = jnp.ones((8, 32))
    layer.build(x)
    trained, rest = layer.values(trainable=True), layer.values(trainable=False)
    slope = jax.grad(lambda values: layer.apply(rest | values, x)[0].sum())
    shapes = {v.aval.shape for e in jax.make_jaxpr(slope)(trained).eqns for v in e.outvars}
    assert not {(32, 64), (64, 32)} & shapes


def test_attention_is_adapted_where_it_projects(normal):
    attention, x = layers.MultiHeadAttention(2, 4), normal(2, 3, 8)
    before = attention(x, x)
    attention.query.enable_lora(2)
    attention.attention_output.enable_lora(2, b_initializer="ones")
    after = attention(x, x)
    shapes = {p: v.shape for p, v in attention.values().items() if "lora" in p}
    assert shapes == {
        "query.lora.a": (8, 2, 2),
        "query.lora.b": (2, 4),
        "attention_output.lora.a": (2, 4, 2),
        "attention_output.lora.b": (2, 8),
    }
    assert not jnp.allclose(before, after)
    for layer in (attention.query, attention.attention_output):
        layer.merge_lora()
    np.testing.assert_allclose(attention(x, x), after, rtol=1e-4, atol=1e-5)


def test_a_half_layer_stays_half():
    layer = layers.Dense(3, dtype="bfloat16", lora_rank=2)
    assert layer(jnp.ones((2, 4), "bfloat16")).dtype == "bfloat16"
    assert layer.lora.a.dtype == "float32"
    mixed = layers.Dense(3, dtype="mixed_bfloat16", lora_rank=2)
    assert mixed(jnp.ones((2, 4))).dtype == "bfloat16"


def test_files_and_configs_keep_it(tmp_path, adapted):
    layer, x = adapted("Dense", lora_alpha=3)
    config = layer.get_config()
    assert (config["lora_rank"], config["lora_alpha"]) == (2, 3)
    again = layers.Dense.from_config(config).plan(x)
    assert sorted(v.path for v in again.variables) == ["bias", "kernel", "lora.a", "lora.b"]
    model = Sequential([layer])
    expected = model(x)
    model.save(tmp_path / "adapted")
    loaded = lamina.load(tmp_path / "adapted")
    assert jnp.array_equal(loaded(x), expected)
    assert loaded.values(trainable=True).keys() == model.values(trainable=True).keys()
    copy = clone_model(model)
    copy.build(x)
    copy.set_values(model.values())
    assert jnp.array_equal(copy(x), expected)
    layer.merge_lora()
    assert layer.get_config().get("lora_rank") is None


def test_penalties_are_of_the_factors():
    layer = layers.Dense(3, kernel_regularizer="l2", lora_rank=2)
    layer.build((None, 4))
    assert {v.path: v.regularizer is not None for v in layer.variables} == {
        "kernel": True,
        "bias": False,
        "lora.a": True,
        "lora.b": True,
    }


def merged_twice():
    layer = layers.Dense(3, lora_rank=2)
    layer(jnp.ones((1, 2)))
    layer.merge_lora()
    layer.merge_lora()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: layers.Dense(3, lora_rank=0), "lora_rank"),
        (lambda: layers.Dense(3, lora_rank=2.5), "lora_rank"),
        (lambda: layers.Dense(3, lora_rank=2, lora_alpha=-1), "lora_alpha"),
        (lambda: layers.Dense(3, lora_rank=2).enable_lora(2), "already"),
        (lambda: layers.Dense(3, kernel_constraint="non_neg", lora_rank=2), "constraint"),
        (lambda: layers.Embedding(3, 2, embeddings_constraint="max_norm").enable_lora(1), "embedd"),
        (lambda: layers.Dense(3).merge_lora(), "merge"),
        (lambda: layers.Dense(3, lora_rank=2).merge_lora(), "merge"),
        (merged_twice, "merge"),
    ],
)
def test_what_makes_no_sense_is_told(wrong, told):
    with pytest.raises(InputError, match=told):
        wrong()


def test_a_refusal_changes_nothing(normal):
    layer = layers.Dense(3, kernel_constraint="non_neg")
    x = normal(2, 4)
    before = layer(x)
    with pytest.raises(InputError):
        layer.enable_lora(2)
    assert layer.kernel.trainable
    assert "lora_rank" not in layer.get_config()
    assert jnp.array_equal(layer(x), before)


def test_the_weights_of_a_built_layer_are_created_at_once(normal):
    model = Sequential([layers.Dense(4), layers.Embedding(3, 2)])
    dense, embedding = model.layers
    assert not dense.lora_enabled and dense.lora_rank is None and dense.lora_alpha is None
    dense.build((None, 5))
    dense.enable_lora(2, lora_alpha=3.0)
    assert (dense.lora_enabled, dense.lora_rank, dense.lora_alpha) == (True, 2, 3.0)
    assert [v.shape for v in dense.trainable_variables] == [(4,), (5, 2), (2, 4)]
    assert dense.lora_kernel_a is dense.lora.a and dense.lora_kernel_b is dense.lora.b
    x = normal(3, 5)
    before = dense(x)
    dense.lora.b.assign(jnp.ones((2, 4)))
    change = 1.5 * x @ dense.lora.a.value @ jnp.ones((2, 4))
    assert_close(dense(x), before + change)
    embedding.enable_lora(1)
    assert embedding.trainable_variables == [] and not hasattr(embedding, "lora_embeddings_a")
    embedding.build((1,))
    assert embedding.lora_embeddings_b is embedding.lora.b
