"""Categories and bins: Keras's numbers, what is found in data, and errors."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import Input, Model, Sequential, layers
from lamina.errors import InputError

IDS = np.random.default_rng(0).integers(0, 5, (3, 4)).astype("int32")


def same(found, expected):
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("ids", [IDS, IDS[0], IDS[:, :1], IDS + 3], ids=str)
def test_categories_equal_keras(mode, ids):
    ours, theirs = (kind.CategoryEncoding(6, mode) for kind in (layers, keras.layers))
    same(ours(ids), theirs(ids))
    same(lamina.jit(ours)(ids), theirs(ids))


def test_weights_of_counts_equal_keras():
    weights = np.random.default_rng(1).normal(size=IDS.shape).astype("float32")
    ours, theirs = (kind.CategoryEncoding(5, "count") for kind in (layers, keras.layers))
    same(ours(IDS, count_weights=weights), theirs(IDS, count_weights=weights))


def test_a_single_id_and_samples_within_sequences():
    assert layers.CategoryEncoding(3)(jnp.array(1)).tolist() == [0, 1, 0]
    found = layers.CategoryEncoding(3, "count")(jnp.array([[[0, 0], [1, 2]]]))
    assert found.tolist() == [[[2, 0, 0], [0, 1, 1]]]


def test_an_old_name_of_a_mode():
    assert layers.CategoryEncoding(3, "binary").get_config()["output_mode"] == "multi_hot"


VALUES = np.random.default_rng(2).normal(size=(3, 4)).astype("float32")


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("values", [VALUES, VALUES[0], np.arange(-2, 3, dtype="int32")], ids=str)
def test_bins_equal_keras(mode, values):
    edges = [-1.0, 0.0, 0.5, 1.0]
    ours, theirs = (kind.Discretization(edges, output_mode=mode) for kind in (layers, keras.layers))
    same(ours(values), theirs(values))
    same(lamina.jit(ours)(values), theirs(values))


DATA = np.random.default_rng(3).normal(size=1000).astype("float32")


@pytest.mark.parametrize("bins", [1, 4, 7])
@pytest.mark.parametrize("epsilon", [0.01, 0.1])
@pytest.mark.parametrize("data", [DATA, DATA[:5], [DATA[:300], DATA[300:310], DATA[310:]]], ids=len)
def test_boundaries_equal_those_of_keras(bins, epsilon, data):
    ours, theirs = (
        kind.Discretization(num_bins=bins, epsilon=epsilon) for kind in (layers, keras.layers)
    )
    ours.adapt(data)
    # Keras asks whether the data are TensorFlow's, which is not installed.
    theirs.reset_state()
    for batch in [data] if isinstance(data, np.ndarray) else data:
        theirs.update_state(batch)
    theirs.finalize_state()
    np.testing.assert_allclose(ours.bin_boundaries, theirs.bin_boundaries, rtol=1e-6)


def test_steps_limit_the_batches():
    layer = layers.Discretization(num_bins=2)
    layer.adapt((DATA + k * 100 for k in range(9)), steps=1)
    assert abs(layer.bin_boundaries[0]) < 0.1


def test_boundaries_go_into_programs_files_and_copies(tmp_path):
    layer = layers.Discretization(num_bins=4, output_mode="one_hot")
    layer.adapt(DATA)
    model = Sequential([layer, layers.Dense(2)])
    expected = model(VALUES)
    model.compile("sgd", "mse")
    model.save(tmp_path / "model")
    assert jnp.array_equal(lamina.load(tmp_path / "model")(VALUES), expected)
    twin = lamina.models.clone_model(model)
    assert twin.layers[0].bin_boundaries == layer.bin_boundaries
    again = layers.Discretization.from_config(layer.get_config())
    assert jnp.array_equal(again(VALUES), layer(VALUES))
    fast = lamina.jit(layer)
    assert jnp.array_equal(fast(VALUES), layer(VALUES))
    layer.adapt(DATA + 1)
    assert jnp.array_equal(fast(VALUES), layer(VALUES))
    assert not jnp.array_equal(again(VALUES), layer(VALUES))


def test_models_of_symbolic_inputs():
    x = Input((4,), dtype="int32")
    model = Model(x, layers.Dense(2)(layers.CategoryEncoding(5)(x)))
    assert model(IDS).shape == (3, 2)
    plan = layers.CategoryEncoding(5, "one_hot").plan(lamina.Spec((None, None), "int32"))
    assert plan.calls[0].outputs.shape == (None, None, 5)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layers.CategoryEncoding(),
        lambda: layers.CategoryEncoding(0),
        lambda: layers.CategoryEncoding(3, "int"),
        lambda: layers.CategoryEncoding(3, sparse=True),
        lambda: layers.CategoryEncoding(3)(IDS, count_weights=jnp.ones((3, 4))),
        lambda: layers.CategoryEncoding(3, "count")(IDS, count_weights=jnp.ones(3)),
        lambda: layers.Discretization(),
        lambda: layers.Discretization([1.0, 0.0]),
        lambda: layers.Discretization(["a"]),
        lambda: layers.Discretization(num_bins=-1),
        lambda: layers.Discretization(num_bins=2, epsilon=0.0),
        lambda: layers.Discretization(num_bins=2, output_mode="tf_idf"),
        lambda: layers.Discretization(num_bins=2, sparse=True),
        lambda: layers.Discretization(num_bins=2)(VALUES),
        lambda: layers.Discretization(num_bins=2).adapt([]),
        lambda: layers.Discretization([0.0]).adapt(DATA),
    ],
)
def test_wrong_options_and_inputs_are_refused(wrong):
    with pytest.raises(InputError):
        wrong()


def test_gradients_do_not_pass_bins():
    slopes = jax.grad(lambda x: layers.Discretization([0.0], output_mode="one_hot")(x).sum())(
        jnp.ones(3)
    )
    assert slopes.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.CategoryEncoding(4), [1, 0, 1, 1]),
        (layers.Discretization(bin_boundaries=[1.0]), [1, 1, 0, 1]),
        (layers.Hashing(1), [0, 0, 0, 0]),
        (layers.IntegerLookup(vocabulary=[2, 3]), [2, 1, 0, 1]),
        (layers.Normalization(mean=1.0, variance=4.0), [1.0, 0.5, -0.5, 0.5]),
        (layers.Rescaling(2.0), [6, 4, 0, 4]),
    ],
)
def test_lists_of_numbers_are_arrays(layer, expected):
    assert layer([3, 2, 0, 2]).tolist() == expected
    assert jnp.array_equal(layer([[3, 2], [0, 2]]), layer(np.array([[3, 2], [0, 2]])))
