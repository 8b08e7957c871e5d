"""Cells, and `RNN` over cells of any kind: Keras's numbers, randomness, errors."""

import copy
import pickle

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import Layer, layers
from lamina.errors import LaminaError
from lamina.layers import RNN, GRUCell, LSTMCell, SimpleRNNCell

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 2
KEY = jax.random.key(0)
ALL = {"return_sequences": True, "return_state": True}
CELLS = {"GRUCell": GRUCell, "LSTMCell": LSTMCell, "SimpleRNNCell": SimpleRNNCell}
cells = pytest.mark.parametrize("kind", CELLS)


def some_mask() -> jax.Array:
    return jax.device_put(np.random.default_rng(3).random((BATCH, TIME)) < 0.6)


def paired(ours, theirs, x):
    """Both, with the weights of Keras's called by the paths of ours, which stand in that order."""
    ours.build(x)
    theirs.build(x.shape)
    weights = [weight for weight in theirs.weights if "seed" not in weight.name]
    for weight, path in zip(weights, ours.values(), strict=True):
        weight._name = path
    return ours, theirs


class Minimal(Layer):
    """Keras's example of a cell, with a state more than it gives out."""

    def __init__(self, units):
        super().__init__()
        self.state_size = [units, units]
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units), "uniform")
        self.recurrent_kernel = self.add_weight((self.units, self.units), "uniform")

    def call(self, inputs, states):
        h = jnp.tanh(inputs @ self.kernel + states[0] @ self.recurrent_kernel)
        return h, [h, states[1] + h]


class KerasMinimal(keras.layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.state_size = [units, units]
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="u")

    def call(self, inputs, states):
        h = jnp.tanh(inputs @ self.kernel.value + states[0] @ self.recurrent_kernel.value)
        return h, [h, states[1] + h]


class Counting(Layer):
    """A cell without weights: it counts up from 10, and gives what is not its state."""

    state_size = 1

    def get_initial_state(self, batch_size):
        return jnp.full((batch_size, 1), 10.0)

    def call(self, inputs, states):
        return states[0] * jnp.ones(2), states[0] + 1


def stack(kinds):
    return [CELLS.get(kind, Minimal)(units) for units, kind in enumerate(kinds, 2)]


def keras_stack(kinds):
    return [getattr(keras.layers, kind, KerasMinimal)(units) for units, kind in enumerate(kinds, 2)]


@cells
def test_one_step_equals_keras(compare, normal, kind) -> None:
    ours, theirs = CELLS[kind](UNITS), getattr(keras.layers, kind)(UNITS)
    states = [normal(BATCH, UNITS, seed=seed) for seed in range(2 if kind == "LSTMCell" else 1)]
    compare(ours, theirs, normal(BATCH, FEATURES), states=states)


def test_one_step_with_other_options_equals_keras(compare, normal) -> None:
    options = {"reset_after": False, "use_bias": False, "recurrent_activation": "relu"}
    ours, theirs = GRUCell(UNITS, **options), keras.layers.GRUCell(UNITS, **options)
    compare(ours, theirs, normal(BATCH, FEATURES), normal(BATCH, UNITS, seed=1))


@pytest.mark.parametrize(
    ("kind", "options", "masked"),
    [
        ("GRUCell", {"go_backwards": True}, True),
        ("LSTMCell", {"unroll": True}, False),
        ("SimpleRNNCell", {"zero_output_for_mask": True}, True),
        ("Minimal", {"go_backwards": True}, True),
        ("Minimal", {"unroll": True}, False),
        ("Minimal", {"zero_output_for_mask": True, "return_sequences": False}, True),
    ],
)
def test_a_cell_over_time_equals_keras(compare, normal, kind, options, masked) -> None:
    x = normal(BATCH, TIME, FEATURES)
    (one,), (other,) = stack([kind]), keras_stack([kind])
    pair = paired(RNN(one, **ALL | options), keras.layers.RNN(other, **ALL | options), x)
    compare(*pair, x, **{"mask": some_mask()} if masked else {})


@pytest.mark.parametrize("kinds", [("LSTMCell", "GRUCell"), ("Minimal", "LSTMCell", "Minimal")])
def test_a_stack_over_time_equals_keras(compare, normal, kinds) -> None:
    x = normal(BATCH, TIME, FEATURES)
    ours, theirs = RNN(stack(kinds), **ALL), keras.layers.RNN(keras_stack(kinds), **ALL)
    compare(*paired(ours, theirs, x), x)
    assert ours.cell.output_size == theirs.cell.output_size
    given = jax.tree.map(lambda state: np.asarray(state) + 0.5, ours.get_initial_state(BATCH))
    x = np.asarray(x)
    outputs, *last = ours(x, initial_state=given)
    flat = ours(x, initial_state=jax.tree.leaves(given))
    np.testing.assert_array_equal(outputs, flat[0])
    outputs, step, states = np.asarray(outputs), lamina.jit(ours.cell), given
    for t in range(TIME):
        output, states = step(x[:, t], states)
        np.testing.assert_allclose(output, outputs[:, t], rtol=1e-5, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), states, last)


@cells
def test_a_layer_is_its_cell_over_time(normal, kind) -> None:
    x, mask = normal(BATCH, TIME, FEATURES), some_mask()
    layer = getattr(layers, kind.removesuffix("Cell"))(UNITS, **ALL)
    over = RNN(CELLS[kind](UNITS), **ALL)
    expected = layer(x, mask=mask)
    over.build(x)
    over.set_values({f"cell.{path}": value for path, value in layer.values().items()})
    for one, other in zip(over(x, mask=mask), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_cell_says_where_it_starts(normal) -> None:
    x, mask = normal(1, 3, 1), np.asarray([[False, True, False]])
    layer = RNN(Counting(), **ALL)
    outputs, state = layer(x)
    assert outputs[0].tolist() == [[10, 10], [11, 11], [12, 12]] and state.tolist() == [[13]]
    outputs, state = layer(x, mask=mask)  # before the first output there is none to repeat
    assert outputs[0].tolist() == [[0, 0], [10, 10], [10, 10]] and state.tolist() == [[11]]
    kept = RNN(Counting(), stateful=True)
    assert kept(x).tolist() == [[12, 12]]
    assert kept(x).tolist() == [[15, 15]]
    kept.reset_states()
    assert kept.states[0].tolist() == [[10]]
    assert lamina.jit(kept)(x).tolist() == [[12, 12]]
    assert kept(x, initial_state=[np.ones((1, 1), "float32")]).tolist() == [[3, 3]]
    assert kept(x).tolist() == [[6, 6]]


class Noisy(Layer):
    def __init__(self):
        super().__init__()
        self.state_size = 1
        self.drop = layers.Dropout(0.5)

    def call(self, inputs, states, training=False):
        return self.drop(inputs), states


def test_a_cell_draws_for_each_step(normal) -> None:
    x = np.ones((1, 50, 4), "float32")
    layer = RNN(Noisy(), return_sequences=True)
    np.testing.assert_array_equal(layer(x), x)
    noisy = np.asarray(layer(x, training=True, rng=KEY))
    assert len(np.unique(noisy[0], axis=0)) > 5
    np.testing.assert_array_equal(layer(x, training=True, rng=KEY), noisy)
    with pytest.raises(
        LaminaError, match=r"drop \(Dropout\) draws random numbers, but the call has no"
    ):
        layer(x, training=True)


@cells
def test_a_cell_drops_the_same_at_every_step(kind) -> None:
    x = np.ones((1, 6, 8), "float32")
    cell = CELLS[kind](UNITS, dropout=0.5, recurrent_dropout=0.2)
    layer = RNN(cell, return_sequences=True)
    noisy = layer(x, training=True, rng=KEY)
    assert not np.allclose(noisy, layer(x))
    np.testing.assert_array_equal(layer(x, training=True, rng=KEY), noisy)
    states = cell.get_initial_state(1)
    step = cell(x[:, 0], states, training=True, rng=KEY)[0]
    assert not np.allclose(step, cell(x[:, 0], states)[0])
    still = CELLS[kind](UNITS, dropout=1.0)
    still(x[:, 0], states)
    dropped = still(x[:, 0], states, training=True, rng=KEY)[0]
    np.testing.assert_allclose(dropped, still(0 * x[:, 0], states)[0], atol=1e-6)
    spoilt = np.full_like(x[:, 0], np.nan)
    np.testing.assert_array_equal(still(spoilt, states, training=True, rng=KEY)[0], dropped)


class Normed(LSTMCell):
    """A cell that does more than the one it derives from."""

    def call(self, inputs, states, training=False):
        output, states = super().call(inputs, states, training)
        return 2 * output, states


def test_a_cell_derived_from_another_is_run_as_it_is_written(normal) -> None:
    x = normal(BATCH, TIME, FEATURES)
    ours, plain = RNN(Normed(UNITS)), RNN(LSTMCell(UNITS))
    plain.build(x)
    ours.build(x)
    ours.set_values(plain.values())
    np.testing.assert_allclose(ours(x), 2 * np.asarray(plain(x)), rtol=1e-5)


class Passed(SimpleRNNCell):
    def call(self, inputs, states, training=False):
        return super().call(inputs, states, training)


@pytest.mark.parametrize("kind", [SimpleRNNCell, Passed])
def test_features_are_dropped_for_the_whole_sequence(kind) -> None:
    x = np.ones((1, 10, 8), "float32")
    cell = kind(3, activation=None, recurrent_initializer="zeros", dropout=0.5)
    layer = RNN(cell, return_sequences=True)  # of a state that does not count
    noisy = np.asarray(layer(x, training=True, rng=KEY))
    np.testing.assert_allclose(noisy, np.broadcast_to(noisy[:, :1], noisy.shape), rtol=1e-5)
    assert not np.allclose(noisy, layer(x))


def test_a_cell_of_layers_trains_and_is_saved(normal, tmp_path) -> None:
    x = normal(BATCH, TIME, FEATURES)
    layer = RNN([Minimal(3), GRUCell(2)], stateful=True, name="stack")
    outputs = layer(x)
    layer.reset_state()
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(twin(x), outputs)
    assert [path for path in layer.values() if "states" in path] == [
        "states.0.0", "states.0.1", "states.1.0",
    ]  # fmt: skip
    model = lamina.Sequential([RNN(LSTMCell(4)), layers.Dense(1)])
    model.build(x)
    lamina.saving.save(model, tmp_path / "model.lamina")
    np.testing.assert_array_equal(lamina.load(tmp_path / "model.lamina")(x), model(x))


def test_unknown_sizes_of_batch_and_time() -> None:
    layer = RNN([Minimal(3), LSTMCell(2)], **ALL)
    layer.build((None, "time", FEATURES))
    assert layer(np.ones((4, 6, FEATURES), "float32"))[0].shape == (4, 6, 2)
    assert layer(np.ones((2, 3, FEATURES), "float32"))[0].shape == (2, 3, 2)
    images = RNN(Noisy(), return_sequences=True)  # of any rank
    assert images(np.ones((2, 3, 4, 5), "float32")).shape == (2, 3, 4, 5)
