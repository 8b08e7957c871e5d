"""Masks on their way through models to layers, to the loss and to metrics: as in Keras."""

import functools

import jax
import keras
import numpy as np
import pytest

import lamina
from lamina import layers
from tests.close import assert_close

RANDOM = np.random.default_rng(0)
TOKENS = RANDOM.integers(1, 9, (20, 6)) * (np.arange(6) < RANDOM.integers(1, 7, 20)[:, None])
TARGETS = RANDOM.normal(size=(20, 6, 1)).astype("float32")
WEIGHTS = RANDOM.uniform(size=(20, 6)).astype("float32")
OURS, THEIRS = (lamina, layers), (keras, keras.layers)


def row(kit, parts):
    return kit.Sequential(
        [
            kit.Input((6,), dtype="int32"),
            parts.Embedding(9, 4, mask_zero=True),
            parts.LSTM(3, return_sequences=True),
            parts.Dense(1),
        ]
    )


def graph(kit, parts):
    tokens = kit.Input((6,), dtype="int32")
    hidden = parts.Embedding(9, 4, mask_zero=True)(tokens)
    return kit.Model(tokens, parts.Dense(1)(parts.LSTM(3, return_sequences=True)(hidden)))


def nested(kit, parts):
    tokens = kit.Input((6,), dtype="int32")
    inner = kit.Model(tokens, parts.Embedding(9, 4, mask_zero=True)(tokens))
    hidden = kit.Input((6, 4))
    after = kit.Model(hidden, parts.LSTM(3, return_sequences=True)(hidden))
    return kit.Sequential([kit.Input((6,), dtype="int32"), inner, after, parts.Dense(1)])


def masked(kit, parts):
    tokens = kit.Input((6,), dtype="int32")
    hidden = parts.Masking(0.5)(parts.Embedding(9, 4)(tokens))
    return kit.Model(tokens, parts.Dense(1)(parts.GRU(3, return_sequences=True)(hidden)))


def attention(kit, parts):
    tokens = kit.Input((6,), dtype="int32")
    hidden = parts.Embedding(9, 4, mask_zero=True)(tokens)
    seen = parts.MultiHeadAttention(2, 3)(hidden, value=hidden)
    return kit.Model(tokens, parts.Dense(1)(seen))


def pooled(kit, parts):
    tokens = kit.Input((6,), dtype="int32")
    inner = kit.Model(tokens, parts.Embedding(9, 4, mask_zero=True)(tokens))
    hidden = kit.Input((6, 4))
    after = kit.Model(hidden, parts.GlobalAveragePooling1D()(hidden))
    return kit.Model(tokens, after(inner(tokens)))


def residual(kit, parts):
    """Layers after attention use the masks of its inputs; the loss and further attention do not."""
    tokens = kit.Input((6,), dtype="int32")
    x = parts.Embedding(9, 4, mask_zero=True)(tokens)
    for _ in range(2):
        attended = parts.Dropout(0.0)(parts.MultiHeadAttention(2, 2)(x, x))
        x = parts.LayerNormalization()(parts.Add()([x, attended]))
    return kit.Model(tokens, parts.Dense(1)(x))


def encoder(kit, parts):
    inner = residual(kit, parts)
    tokens = kit.Input((6,), dtype="int32")
    return kit.Model(tokens, parts.LSTM(2)(inner(tokens)))


def classifier(kit, parts):
    tokens = kit.Input((6,), dtype="int32")
    x = parts.Embedding(9, 4, mask_zero=True)(tokens)
    first, second = (parts.MultiHeadAttention(2, 2)(x, x) for _ in range(2))
    pool = parts.GlobalAveragePooling1D()
    summed = parts.LayerNormalization()(parts.Add()([x, first, second]))
    return kit.Model(tokens, parts.Concatenate()([pool(x), pool(first), pool(summed)]))


def recurrent(kit, parts):
    """A layer that takes a mask passes it on to the loss."""
    tokens = kit.Input((6,), dtype="int32")
    x = parts.Embedding(9, 4, mask_zero=True)(tokens)
    x = parts.Add()([x, parts.MultiHeadAttention(2, 2)(x, x)])
    return kit.Model(tokens, parts.Dense(1)(parts.LSTM(3, return_sequences=True)(x)))


@functools.cache
def models(make):
    return make(*OURS), make(*THEIRS)


def pair(make):
    """The models of both libraries, which all tests share, with the same weights."""
    ours, theirs = models(make)
    theirs.set_weights(ours.get_weights())
    return ours, theirs


STEPS = [row, graph, nested, masked, attention, residual, recurrent]


@pytest.mark.parametrize(
    "make", [*STEPS, pooled, encoder, classifier], ids=lambda make: make.__name__
)
def test_layers_are_given_the_masks_that_keras_gives_them(make) -> None:
    ours, theirs = pair(make)
    expected = jax.jit(lambda tokens: theirs(tokens))(TOKENS)
    np.testing.assert_allclose(lamina.jit(ours)(TOKENS), expected, atol=1e-5)
    if make is encoder:
        np.testing.assert_allclose(ours(TOKENS), expected, atol=1e-5)


def compiled(make):
    both = pair(make)
    for model in both:
        model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mse"])
    return both


@pytest.mark.parametrize(
    ("make", "weights"),
    [
        (row, WEIGHTS[:, :1]),
        (nested, None),
        (masked, WEIGHTS),
        (attention, WEIGHTS),
        (residual, None),
        (recurrent, WEIGHTS),
    ],
    ids=lambda given: getattr(given, "__name__", None),
)
def test_hidden_steps_enter_neither_the_loss_nor_the_metrics(make, weights) -> None:
    ours, theirs = compiled(make)
    given = {"batch_size": 20, "verbose": 0, "sample_weight": weights}
    found, expected = (model.evaluate(TOKENS, TARGETS, **given) for model in (ours, theirs))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    given |= {"shuffle": False, "epochs": 3}
    first, second = (m.fit(TOKENS, TARGETS, **given).history["loss"] for m in (ours, theirs))
    np.testing.assert_allclose(first, second, rtol=1e-4)


def test_batches_count_by_their_steps_that_are_not_hidden() -> None:
    given = {"batch_size": 8, "verbose": 0}
    ours, theirs = (model.evaluate(TOKENS, TARGETS, **given) for model in compiled(row))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_what_a_hidden_step_should_have_been_makes_no_difference() -> None:
    model, _ = models(row)
    model.compile("sgd", "mse", metrics=["mae", "mean_squared_error"])
    elsewhere = np.where(TOKENS[..., None] == 0, 100.0, TARGETS)
    expected = model.evaluate(TOKENS, TARGETS, 8, verbose=0)
    assert_close(model.evaluate(TOKENS, elsewhere, 8, verbose=0), expected, rtol=1e-6)
    by_hand = (np.asarray(model(TOKENS)) - TARGETS)[TOKENS != 0]
    whole = model.evaluate(TOKENS, TARGETS, 20, verbose=0)
    np.testing.assert_allclose(whole[0], (by_hand**2).mean(), rtol=1e-5)


def test_each_of_several_outputs_has_its_own_mask() -> None:
    def make(kit, parts):
        tokens = kit.Input((6,), dtype="int32")
        hidden = parts.Embedding(9, 4, mask_zero=True)(tokens)
        steps = parts.Dense(1, name="steps")(hidden)
        whole = parts.Dense(1, name="whole")(parts.GlobalMaxPooling1D()(hidden))
        return kit.Model(tokens, {"steps": steps, "whole": whole})

    ours, theirs = pair(make)
    labels = {"steps": TARGETS, "whole": TARGETS[:, 0]}
    for model in (ours, theirs):
        model.compile("sgd", "mse")
    found = ours.evaluate(TOKENS, labels, 20, verbose=0, return_dict=True)
    expected = theirs.evaluate(TOKENS, labels, 20, verbose=0, return_dict=True)
    for name in ("loss", "steps_loss", "whole_loss"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)


class TwoMasks(lamina.Layer):
    """Tells of each step in which of its arguments it is not hidden."""

    def call(self, left, right, left_mask=None, right_mask=None):
        count = jax.numpy.zeros(left.shape[:2])
        for size, mask in ((1, left_mask), (10, right_mask)):
            count += size * (1 if mask is None else mask)
        return count


def test_an_argument_has_its_mask_in_an_argument_of_its_name() -> None:
    one, two = lamina.Input((6,), dtype="int32"), lamina.Input((6,), dtype="int32")
    embed = layers.Embedding(9, 4, mask_zero=True)
    model = lamina.Model([one, two], TwoMasks()(embed(one), right=embed(two)))
    other = TOKENS[::-1]
    np.testing.assert_array_equal(model([TOKENS, other]), (TOKENS != 0) + 10 * (other != 0))
    given = TwoMasks()(embed(one), embed(two), right_mask=layers.Lambda(lambda x: x * 0)(two))
    model = lamina.Model([one, two], given)
    np.testing.assert_array_equal(model([TOKENS, other]), TOKENS != 0)


def test_a_graph_says_what_mask_its_outputs_have() -> None:
    tokens = lamina.Input((6,), dtype="int32")
    hidden = layers.Embedding(9, 4, mask_zero=True)(tokens)
    model = lamina.Model(tokens, [hidden, layers.Flatten()(hidden)])
    mask, none = model.compute_mask(TOKENS)
    np.testing.assert_array_equal(mask, TOKENS != 0)
    assert none is None
    one, two = lamina.Input((6, 4)), lamina.Input((6, 4))
    summed = lamina.Model({"b": one, "a": two}, layers.Add()([one, two]))
    given = {"a": TOKENS != 0, "b": np.ones_like(TOKENS, bool)}
    x = np.ones((20, 6, 4), "float32")
    np.testing.assert_array_equal(summed.compute_mask({"a": x, "b": x}, given), given["b"])


def test_a_mask_that_is_not_of_the_steps_of_the_outputs_hides_nothing() -> None:
    class Last(lamina.Layer):
        def call(self, inputs):
            return inputs[:, -1]

    model = lamina.Sequential([layers.Embedding(9, 4, mask_zero=True), Last(), layers.Dense(6)])
    model.compile("sgd", "mse")
    loss = model.evaluate(TOKENS, TARGETS[..., 0], 20, verbose=0)
    expected = ((np.asarray(model(TOKENS)) - TARGETS[..., 0]) ** 2).mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


class NeedsMask(lamina.Layer):
    """A layer that cannot be called without the mask of its input."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True

    def call(self, inputs, mask=None):
        return inputs * mask[..., None]


def test_a_layer_that_needs_a_mask_is_called_on_symbols_that_have_one():
    words = lamina.Input((None,), dtype="int32")
    hidden = NeedsMask()(layers.Dense(2)(layers.Embedding(5, 3, mask_zero=True)(words)))
    model = lamina.Model(words, NeedsMask()(hidden))
    outputs = model(np.array([[1, 2, 0]]))
    assert (outputs[0, 2] == 0).all() and (outputs[0, 0] != 0).any()
    with pytest.raises(TypeError):
        NeedsMask()(lamina.Input((4, 3)))
