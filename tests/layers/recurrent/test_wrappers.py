"""Bidirectional and TimeDistributed: Keras's numbers, state, randomness, errors."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import Layer, Sequential, layers
from lamina.errors import InputError
from lamina.layers import GRU, LSTM, RNN, Bidirectional, SimpleRNNCell, TimeDistributed

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 2
KEY = jax.random.key(0)
ALL = {"return_sequences": True, "return_state": True}


def some_mask(batch: int = BATCH) -> jax.Array:
    return jax.device_put(np.random.default_rng(3).random((batch, TIME)) < 0.6)


def paired(ours, theirs, x):
    """Both, with the weights of Keras's called by the paths of ours, which stand in that order."""
    ours.build(x)
    theirs.build(x.shape)
    weights = [weight for weight in theirs.weights if "seed" not in weight.name]
    for weight, path in zip(weights, ours.values(), strict=True):
        weight._name = path
    return ours, theirs


@pytest.mark.parametrize(
    ("mode", "kind", "options", "masked"),
    [
        ("concat", "LSTM", ALL, True),
        ("sum", "GRU", {"return_sequences": True}, True),
        ("mul", "SimpleRNN", {"return_state": True}, True),
        ("ave", "GRU", {}, False),
        (None, "LSTM", {"return_sequences": True}, False),
        (None, "GRU", ALL, True),
    ],
)
def test_both_ways_equal_keras(compare, normal, mode, kind, options, masked) -> None:
    x = normal(BATCH, TIME, FEATURES)
    ours = Bidirectional(getattr(layers, kind)(UNITS, **options), mode)
    theirs = keras.layers.Bidirectional(getattr(keras.layers, kind)(UNITS, **options), mode)
    compare(*paired(ours, theirs, x), x, **{"mask": some_mask()} if masked else {})


def test_a_backward_layer_of_its_own_equals_keras(compare, normal) -> None:
    def made(library):
        return library.Bidirectional(
            library.LSTM(2, return_sequences=True),
            backward_layer=library.GRU(3, return_sequences=True, go_backwards=True),
        )

    x = normal(BATCH, TIME, FEATURES)
    compare(*paired(made(layers), made(keras.layers), x), x)


def test_both_ways_from_given_states_equal_keras(compare, normal) -> None:
    x = normal(BATCH, TIME, FEATURES)
    states = [normal(BATCH, UNITS, seed=seed) for seed in range(4)]
    pair = [library.Bidirectional(library.LSTM(UNITS, **ALL)) for library in (layers, keras.layers)]
    compare(*paired(*pair, x), x, initial_state=states)


def test_directions_are_made_anew(normal) -> None:
    x = normal(BATCH, TIME, FEATURES)
    layer = GRU(UNITS)
    layer(x)
    layer.return_sequences = True  # options are as they are now
    both = Bidirectional(layer)
    assert both.forward_layer is not layer and both.variables == []
    outputs = both(x)
    assert outputs.shape == (BATCH, TIME, 2 * UNITS)
    values = both.values()
    assert not np.array_equal(values["forward_layer.kernel"], layer.kernel)
    assert not np.array_equal(values["forward_layer.kernel"], values["backward_layer.kernel"])
    cell = SimpleRNNCell(UNITS)
    over = Bidirectional(RNN([cell, cell]))
    over.build(x[..., :UNITS])
    assert over.forward_layer.cell.cells[0] is not over.backward_layer.cell.cells[0]
    assert sorted(over.values()) == [
        f"{way}.cell.cells.0.{name}"
        for way in ("backward_layer", "forward_layer")
        for name in ("bias", "kernel", "recurrent_kernel")
    ]
    frozen = LSTM(UNITS, trainable=False)
    assert not Bidirectional(frozen).backward_layer.trainable


def test_both_ways_keep_their_state(normal) -> None:
    x = normal(BATCH, TIME, FEATURES)
    layer = Bidirectional(GRU(UNITS, stateful=True))
    assert layer.states is None
    first = layer(x)
    assert len(layer.states) == 2
    assert not np.allclose(layer(x), first)
    layer.reset_state()
    np.testing.assert_array_equal(layer(x), first)


def test_masks_of_both_ways() -> None:
    mask, layer = some_mask(), LSTM(UNITS, return_sequences=True)
    assert Bidirectional(layer).compute_mask(None, mask) is mask
    assert Bidirectional(LSTM(UNITS)).compute_mask(None, mask) is None
    apart = Bidirectional(layer, None).compute_mask(None, mask)
    assert [one is mask for one in apart] == [True, True]
    several = Bidirectional(LSTM(UNITS, **ALL)).compute_mask(None, mask)
    assert several[0] is mask and several[1:] == (None,) * 4


def test_in_a_row_with_masks_and_in_a_file(tmp_path) -> None:
    model = Sequential(
        [
            layers.Embedding(7, 4, mask_zero=True),
            Bidirectional(LSTM(3, return_sequences=True)),
            Bidirectional(GRU(2)),
            layers.Dense(1),
        ]
    )
    tokens = np.asarray([[1, 2, 0, 0], [3, 4, 5, 0]], "int32")
    outputs = model(tokens)
    longer = lamina.jit(model)(np.pad(tokens, ((0, 0), (0, 3))))
    np.testing.assert_allclose(longer, outputs, rtol=1e-5, atol=1e-6)
    lamina.saving.save(model, tmp_path / "model.lamina")
    np.testing.assert_array_equal(lamina.load(tmp_path / "model.lamina")(tokens), outputs)


def test_layers_that_make_no_pair(normal) -> None:
    for bad in (3, GRU, "LSTM"):
        with pytest.raises(InputError, match="wraps a layer"):
            Bidirectional(bad)
        with pytest.raises(InputError, match="wraps a layer"):
            Bidirectional(GRU(2), backward_layer=bad)
    with pytest.raises(InputError, match="merge_mode"):
        Bidirectional(GRU(2), "max")
    with pytest.raises(InputError, match="weights"):
        Bidirectional(GRU(2), weights=[1])
    for layer, options in (
        (layers.Dense(2), {}),
        (GRU(2, go_backwards=True), {}),
        (GRU(2), {"backward_layer": GRU(2)}),
        (GRU(2), {"backward_layer": GRU(2, go_backwards=True, return_state=True)}),
    ):
        with pytest.raises(InputError, match="does not match the forward"):
            Bidirectional(layer, **options)
    x = normal(BATCH, TIME, FEATURES)
    for states in (x[:, 0, :2], [x[:, 0, :2]] * 3):
        with pytest.raises(InputError, match="two sets of states"):
            Bidirectional(GRU(2))(x, initial_state=states)


class Masked(Layer):
    def call(self, inputs, mask=None):
        return inputs if mask is None else jnp.where(mask[:, None], inputs, -1)


def test_a_layer_at_every_step_equals_keras(compare, normal) -> None:
    def made(library):
        return library.TimeDistributed(library.Dense(UNITS, activation="tanh"))

    x = normal(BATCH, TIME, FEATURES)
    compare(*paired(made(layers), made(keras.layers), x), x, mask=some_mask())


def test_a_recurrence_at_every_step_equals_keras(compare, normal) -> None:
    def made(library):
        return library.TimeDistributed(library.GRU(UNITS))

    x = normal(BATCH, TIME, 3, FEATURES)
    compare(*paired(made(layers), made(keras.layers), x), x)


@pytest.mark.parametrize("training", [True, False])
def test_statistics_at_every_step_equal_keras(compare, normal, training) -> None:
    def made(library):
        return library.TimeDistributed(library.BatchNormalization(momentum=0.9))

    x = normal(8, 3, FEATURES)
    compare(*paired(made(layers), made(keras.layers), x), x, training=training)


def test_masks_at_every_step(normal) -> None:
    x, mask = normal(BATCH, TIME, FEATURES), some_mask()
    layer = TimeDistributed(Masked())
    np.testing.assert_array_equal(layer(x), x)
    words = np.broadcast_to(np.asarray(mask)[..., None], x.shape)  # of each step's own
    np.testing.assert_array_equal(layer(x, mask=mask), np.where(words, x, -1))
    assert layer.compute_mask(x, mask) is mask
    x = np.asarray(x)
    over = TimeDistributed(RNN(SimpleRNNCell(2)))
    steps = np.asarray(over(x[..., None], mask=words))
    one = over.layer(x[:, 2, :, None], mask=words[:, 2])
    np.testing.assert_allclose(steps[:, 2], one, rtol=1e-5, atol=1e-6)


def test_each_step_draws_for_itself() -> None:
    x = np.ones((1, 20, 8), "float32")
    for inner in (layers.Dropout(0.5), Sequential([layers.Dropout(0.5)])):
        layer = TimeDistributed(inner)
        np.testing.assert_array_equal(layer(x), x)
        noisy = np.asarray(layer(x, training=True, rng=KEY))
        assert len(np.unique(noisy[0], axis=0)) > 5
        np.testing.assert_array_equal(layer(x, training=True, rng=KEY), noisy)


def test_steps_of_tokens_and_of_any_rank() -> None:
    tokens = np.ones((2, 3, 4), "int32")
    model = TimeDistributed(Sequential([layers.Embedding(5, 6, mask_zero=True), GRU(7)]))
    assert model(tokens).shape == (2, 3, 7)
    assert sorted(model.values())[0] == "layer.layers.0.embeddings"
    images = TimeDistributed(layers.Conv2D(2, 3))
    images.build((None, None, 8, 8, 1))
    assert images(np.ones((2, 3, 8, 8, 1), "float32")).shape == (2, 3, 6, 6, 2)


def test_what_cannot_be_distributed(normal) -> None:
    with pytest.raises(InputError, match="wraps a layer"):
        TimeDistributed(jnp.tanh)
    layer, x = TimeDistributed(layers.Dense(2)), normal(BATCH, TIME, FEATURES)
    with pytest.raises(InputError, match="batch, time, features"):
        layer(x[0])
    with pytest.raises(InputError, match="mask"):
        layer(x, mask=some_mask()[:, 1:])
    with pytest.raises(InputError, match="mask"):
        layer(x, mask=some_mask()[0])
    layer(x)
    with pytest.raises(InputError, match="axis -1"):
        layer(x[..., 1:])
