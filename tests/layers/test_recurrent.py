"""GRU: Keras's numbers over its options, its dropout, its errors."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from lamina.errors import InputError, LaminaError
from lamina.layers import GRU

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 2
KEY = jax.random.key(0)


def some_mask(batch: int = BATCH, time: int = TIME) -> jax.Array:
    return jnp.asarray(np.random.default_rng(3).random((batch, time)) < 0.6)


def both(**options):
    return GRU(UNITS, **options), keras.layers.GRU(UNITS, **options)


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("go_backwards", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_equals_keras(compare, normal, reset_after, go_backwards, masked) -> None:
    ours, theirs = both(
        reset_after=reset_after,
        go_backwards=go_backwards,
        return_sequences=True,
        return_state=True,
    )
    options = {"mask": some_mask()} if masked else {}
    compare(ours, theirs, normal(BATCH, TIME, FEATURES), **options)


@pytest.mark.parametrize("masked", [True, False])
def test_equals_keras_from_a_given_state(compare, normal, masked) -> None:
    ours, theirs = both(return_state=True)
    options = {"mask": some_mask()} if masked else {}
    state = normal(BATCH, UNITS, seed=1)
    compare(ours, theirs, normal(BATCH, TIME, FEATURES), state, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"use_bias": False, "go_backwards": True},
        {"use_bias": False, "reset_after": False},
        {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
    ],
)
def test_equals_keras_with_other_options(compare, normal, options) -> None:
    compare(*both(**options), normal(BATCH, TIME, FEATURES))


def test_weights_and_defaults() -> None:
    layer = GRU(UNITS)
    layer.build((None, None, FEATURES))
    shapes = {path: value.shape for path, value in layer.values().items()}
    assert shapes == {
        "kernel": (FEATURES, 3 * UNITS),
        "recurrent_kernel": (UNITS, 3 * UNITS),
        "bias": (2, 3 * UNITS),
    }
    before = GRU(UNITS, reset_after=False)
    before.build((None, None, FEATURES))
    assert before.values()["bias"].shape == (3 * UNITS,)


def test_what_it_returns(normal) -> None:
    x = normal(BATCH, TIME, FEATURES)
    layer = GRU(UNITS)
    last = layer(x)
    assert last.shape == (BATCH, UNITS)
    layer.return_sequences = True
    outputs = layer(x)
    assert outputs.shape == (BATCH, TIME, UNITS)
    np.testing.assert_allclose(outputs[:, -1], last, rtol=1e-6)
    layer.return_state = True
    outputs, state = layer(x)
    np.testing.assert_allclose(state, last, rtol=1e-6)


@pytest.mark.parametrize("wrap", [list, tuple])
def test_a_state_in_a_list(normal, wrap) -> None:
    x, state = normal(BATCH, TIME, FEATURES), normal(BATCH, UNITS, seed=1)
    layer = GRU(UNITS)
    np.testing.assert_array_equal(
        layer(x, initial_state=wrap([state])), layer(x, initial_state=state)
    )


def test_one_step_at_a_time_is_the_whole(normal) -> None:
    x = normal(BATCH, TIME, FEATURES)
    layer = GRU(UNITS, return_sequences=True, return_state=True)
    outputs, last = layer(x)
    state = jnp.zeros((BATCH, UNITS))
    for t in range(TIME):
        output, state = layer(x[:, t : t + 1], initial_state=state)
        np.testing.assert_allclose(output[:, 0], outputs[:, t], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state, last, rtol=1e-5, atol=1e-6)


def test_integer_masks_are_cast(normal) -> None:
    x, mask = normal(BATCH, TIME, FEATURES), some_mask()
    layer = GRU(UNITS)
    np.testing.assert_array_equal(layer(x, mask=mask.astype("int32")), layer(x, mask=mask))


def test_masks_that_go_on() -> None:
    mask = some_mask()
    assert GRU(UNITS).compute_mask(None, mask) is None
    assert GRU(UNITS, return_sequences=True).compute_mask(None, mask) is mask
    both = GRU(UNITS, return_sequences=True, return_state=True).compute_mask(None, mask)
    assert both[0] is mask
    assert both[1] is None


@pytest.mark.parametrize("option", ["dropout", "recurrent_dropout"])
def test_dropout_acts_in_training_alone(normal, option) -> None:
    x = normal(BATCH, TIME, FEATURES)
    layer = GRU(UNITS, **{option: 0.5})
    still = layer(x)
    noisy = layer(x, training=True, rng=KEY)
    assert not np.allclose(still, noisy)
    np.testing.assert_array_equal(layer(x, training=True, rng=KEY), noisy)
    assert not np.allclose(layer(x, training=True, rng=jax.random.key(1)), noisy)
    np.testing.assert_array_equal(layer(x), still)


def test_dropped_features_do_not_count(normal) -> None:
    x = normal(BATCH, TIME, FEATURES)
    layer = GRU(UNITS, dropout=1.0)
    np.testing.assert_allclose(
        layer(x, training=True, rng=KEY), layer(jnp.zeros_like(x)), rtol=1e-6, atol=1e-7
    )


def test_dropout_without_a_key(normal) -> None:
    with pytest.raises(LaminaError, match="no key"):
        GRU(UNITS, dropout=0.5)(normal(BATCH, TIME, FEATURES), training=True)


def test_half_precision(normal) -> None:
    layer = GRU(UNITS, dtype="bfloat16")
    x = normal(BATCH, TIME, FEATURES).astype("bfloat16")
    assert layer(x).dtype == "bfloat16"
    assert np.isfinite(np.asarray(layer(x), "float32")).all()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"units": 0}, "units"),
        ({"units": 2, "dropout": 1.5}, "dropout"),
        ({"units": 2, "recurrent_dropout": -0.1}, "recurrent_dropout"),
        ({"units": 2, "dropout": "much"}, "dropout"),
    ],
)
def test_options_out_of_range(options, named) -> None:
    with pytest.raises(InputError, match=named):
        GRU(**options)


@pytest.mark.parametrize("shape", [(4,), (4, 5), (2, 3, 4, 5)])
def test_an_input_of_another_rank(shape) -> None:
    with pytest.raises(InputError, match="batch, time, features"):
        GRU(UNITS).build(shape)


def test_inputs_that_do_not_fit_the_sequence(normal) -> None:
    layer, x = GRU(UNITS), normal(BATCH, TIME, FEATURES)
    layer(x)
    with pytest.raises(InputError, match="batch, units"):
        layer(x, initial_state=normal(BATCH, UNITS + 1))
    with pytest.raises(InputError, match="batch, units"):
        layer(x, initial_state=normal(BATCH + 1, UNITS))
    with pytest.raises(InputError, match="batch, time"):
        layer(x, mask=some_mask(time=TIME + 1))
    with pytest.raises(InputError, match="one state"):
        layer(x, initial_state=[normal(BATCH, UNITS)] * 2)
