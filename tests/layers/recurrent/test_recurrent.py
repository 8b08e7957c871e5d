"""GRU, LSTM, SimpleRNN: Keras's numbers over their options, their dropout, their errors."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
from lamina.errors import BuildError, InputError, LaminaError
from lamina.layers import GRU, LSTM, SimpleRNN
from tests.close import assert_close

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 2
KEY = jax.random.key(0)
KINDS = {"GRU": GRU, "LSTM": LSTM, "SimpleRNN": SimpleRNN}
kinds = pytest.mark.parametrize("kind", KINDS)
ALL = {"return_sequences": True, "return_state": True}


def some_mask(batch: int = BATCH, time: int = TIME) -> jax.Array:
    return jax.device_put(np.random.default_rng(3).random((batch, time)) < 0.6)


def both(kind="GRU", units=UNITS, **options):
    return KINDS[kind](units, **options), getattr(keras.layers, kind)(units, **options)


@kinds
@pytest.mark.parametrize(("go_backwards", "masked"), [(True, True), (False, True), (False, False)])
def test_equals_keras(compare, normal, kind, go_backwards, masked) -> None:
    ours, theirs = both(kind, go_backwards=go_backwards, **ALL)
    options = {"mask": some_mask()} if masked else {}
    compare(ours, theirs, normal(BATCH, TIME, FEATURES), **options)


@pytest.mark.parametrize("go_backwards", [True, False])
def test_a_reset_before_the_product_equals_keras(compare, normal, go_backwards) -> None:
    ours, theirs = both(reset_after=False, go_backwards=go_backwards, **ALL)
    compare(ours, theirs, normal(BATCH, TIME, FEATURES), mask=some_mask())


@kinds
def test_equals_keras_from_a_given_state(compare, normal, kind) -> None:
    ours, theirs = both(kind, return_state=True)
    states = [normal(BATCH, UNITS, seed=seed) for seed in range(2 if kind == "LSTM" else 1)]
    x = normal(BATCH, TIME, FEATURES)
    compare(ours, theirs, x, initial_state=states, mask=some_mask())
    if kind != "LSTM":
        compare(*both(kind, return_state=True), x, states[0])


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("GRU", {"use_bias": False, "go_backwards": True}),
        ("GRU", {"use_bias": False, "reset_after": False}),
        ("GRU", {"activation": "relu", "recurrent_activation": "hard_sigmoid"}),
        ("LSTM", {"use_bias": False, "unit_forget_bias": False}),
        ("LSTM", {"activation": "elu", "recurrent_activation": "hard_sigmoid", "unroll": True}),
        ("SimpleRNN", {"activation": None, "use_bias": False, "return_sequences": True}),
    ],
)
def test_equals_keras_with_other_options(compare, normal, kind, options) -> None:
    compare(*both(kind, **options), normal(BATCH, TIME, FEATURES))


@pytest.mark.parametrize(("kind", "sequences"), [("GRU", True), ("LSTM", False)])
def test_zeros_for_what_is_masked_equal_keras(compare, normal, kind, sequences) -> None:
    options = {"zero_output_for_mask": True, "return_sequences": sequences, "go_backwards": True}
    compare(*both(kind, **options), normal(BATCH, TIME, FEATURES), mask=some_mask())


@settings(deadline=None, max_examples=3)
@given(st.data(), *[st.integers(1, 4)] * 4)
def test_equals_keras_at_any_sizes(data, batch, time, features, units) -> None:
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    ours, theirs = both(kind, units, **ALL)
    x = np.random.default_rng(0).normal(size=(batch, time, features)).astype("float32")
    ours.build(x)
    theirs.build(x.shape)
    for name, weight in zip(ours.values(), theirs.weights, strict=True):
        weight.assign(ours.values()[name])
    run = jax.jit(lambda x: theirs(x))  # called live, it compiles each operation by itself
    for one, other in zip(ours(x), run(x), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


@kinds
@pytest.mark.parametrize("go_backwards", [True, False])
def test_unrolled_it_is_the_same(normal, kind, go_backwards) -> None:
    x, mask = normal(BATCH, TIME, FEATURES), some_mask()
    layer = KINDS[kind](UNITS, go_backwards=go_backwards, **ALL)
    looped = layer(x, mask=mask)
    layer.unroll = True
    for one, other in zip(layer(x, mask=mask), looped, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    text = str(jax.make_jaxpr(lambda values: layer.apply(values, x)[0])(layer.values()))
    assert f"unroll={TIME}" in text or "unroll=True" in text


def test_what_it_returns(normal) -> None:
    x = normal(BATCH, TIME, FEATURES)
    layer = LSTM(UNITS)
    last = layer(x)
    assert last.shape == (BATCH, UNITS)
    layer.return_sequences = True
    outputs = np.asarray(layer(x))
    assert outputs.shape == (BATCH, TIME, UNITS)
    assert_close(outputs[:, -1], last, rtol=1e-6)
    layer.return_state = True
    outputs, h, c = layer(x)
    assert_close(h, last, rtol=1e-6)
    assert c.shape == (BATCH, UNITS)


@kinds
@pytest.mark.parametrize("wrap", [list, tuple])
def test_a_state_in_a_list(normal, kind, wrap) -> None:
    x = normal(BATCH, TIME, FEATURES)
    layer = KINDS[kind](UNITS)
    states = layer.get_initial_state(BATCH)
    assert len(states) == (2 if kind == "LSTM" else 1)
    np.testing.assert_array_equal(layer(x, initial_state=wrap(states)), layer(x))
    if kind != "LSTM":
        state = normal(BATCH, UNITS, seed=1)
        np.testing.assert_array_equal(
            layer(x, initial_state=wrap([state])), layer(x, initial_state=state)
        )


@kinds
def test_one_step_at_a_time_is_the_whole(normal, kind) -> None:
    x = np.asarray(normal(BATCH, TIME, FEATURES))
    layer = KINDS[kind](UNITS, **ALL)
    outputs, *last = map(np.asarray, layer(x))
    states, step = layer.get_initial_state(BATCH), lamina.jit(layer)
    for t in range(TIME):
        output, *states = step(x[:, t : t + 1], initial_state=states)
        np.testing.assert_allclose(np.asarray(output)[:, 0], outputs[:, t], rtol=1e-5, atol=1e-6)
    for one, other in zip(states, last, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_integer_masks_are_cast(normal) -> None:
    x, mask = normal(BATCH, TIME, FEATURES), some_mask()
    layer = GRU(UNITS)
    np.testing.assert_array_equal(layer(x, mask=np.asarray(mask, "int32")), layer(x, mask=mask))


@pytest.mark.parametrize(("kind", "states"), [("GRU", 1), ("LSTM", 2)])
def test_masks_that_go_on(kind, states) -> None:
    mask, layer = some_mask(), KINDS[kind]
    assert layer(UNITS).compute_mask(None, mask) is None
    assert layer(UNITS, return_sequences=True).compute_mask(None, mask) is mask
    assert layer(UNITS, return_sequences=True).compute_mask(None, [mask, None]) is mask
    kept, *others = layer(UNITS, **ALL).compute_mask(None, mask)
    assert kept is mask and others == [None] * states


@kinds
@pytest.mark.parametrize("option", ["dropout", "recurrent_dropout"])
def test_dropout_acts_in_training_alone(normal, kind, option) -> None:
    x = normal(BATCH, TIME, FEATURES)
    layer = KINDS[kind](8, **{option: 0.5})
    still = layer(x)
    noisy = layer(x, training=True, rng=KEY)
    assert not np.allclose(still, noisy)
    np.testing.assert_array_equal(layer(x, training=True, rng=KEY), noisy)
    assert not np.allclose(layer(x, training=True, rng=jax.random.key(1)), noisy)
    np.testing.assert_array_equal(layer(x), still)
    layer.seed = 3
    assert not np.allclose(layer(x, training=True, rng=KEY), noisy)


@kinds
def test_dropped_features_do_not_count(normal, kind) -> None:
    x = normal(BATCH, TIME, FEATURES)
    layer = KINDS[kind](UNITS, dropout=1.0)
    np.testing.assert_allclose(
        layer(x, training=True, rng=KEY), layer(np.zeros_like(x)), rtol=1e-6, atol=1e-7
    )


@kinds
def test_dropped_features_may_be_infinite(normal, kind) -> None:
    x = normal(BATCH, TIME, FEATURES)
    layer = KINDS[kind](UNITS, dropout=1.0)
    spoilt = np.full_like(x, np.inf)
    spoilt[0] = np.nan
    outputs, pull = jax.vjp(lambda x: layer(x, training=True, rng=KEY), spoilt)
    np.testing.assert_array_equal(outputs, layer(x, training=True, rng=KEY))
    np.testing.assert_array_equal(pull(outputs)[0], 0)


@pytest.mark.parametrize("activation", ["tanh", lambda x: jnp.tanh(x)], ids=["by hand", "plain"])
def test_a_dropped_state_may_be_infinite(normal, activation) -> None:
    x = normal(BATCH, 1, FEATURES)
    layer = SimpleRNN(UNITS, activation=activation, recurrent_dropout=1.0)

    def run(state):
        return layer(x, initial_state=state, training=True, rng=KEY)

    outputs, pull = jax.vjp(run, np.full((BATCH, UNITS), np.inf, "float32"))
    np.testing.assert_array_equal(outputs, run(np.zeros((BATCH, UNITS), "float32")))
    np.testing.assert_array_equal(pull(outputs)[0], 0)


def test_dropout_without_a_key(normal) -> None:
    with pytest.raises(LaminaError, match="no random key"):
        GRU(UNITS, dropout=0.5)(normal(BATCH, TIME, FEATURES), training=True)


@kinds
def test_half_precision(normal, kind) -> None:
    layer = KINDS[kind](UNITS, dtype="bfloat16")
    x = np.asarray(normal(BATCH, TIME, FEATURES), "bfloat16")
    outputs = layer(x)
    assert outputs.dtype == "bfloat16"
    assert np.isfinite(np.asarray(outputs, "float32")).all()


@kinds
def test_the_state_stays_for_the_next_batch(normal, kind) -> None:
    x = normal(BATCH, TIME, FEATURES)
    layer = KINDS[kind](UNITS, stateful=True, return_sequences=True)
    layer.build((BATCH, None, FEATURES))
    plain = KINDS[kind](UNITS, return_sequences=True)
    plain.build(x)
    kept = {path for path in layer.values() if path.startswith("states.")}
    assert kept == set(layer.values(trainable=False)) and len(kept) == len(layer.states)
    plain.set_values({p: v for p, v in layer.values().items() if p not in kept})
    first, second = layer(np.asarray(x)[:, :2]), layer(np.asarray(x)[:, 2:])
    whole = np.asarray(plain(x))
    np.testing.assert_allclose(first, whole[:, :2], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(second, whole[:, 2:], rtol=1e-5, atol=1e-6)
    before = layer.values()
    _, after = layer.apply(before, x)
    assert all(not np.array_equal(after[path], before[path]) for path in kept)
    np.testing.assert_array_equal(layer.states[0], before["states.0"])
    layer.reset_state()
    np.testing.assert_allclose(layer(x), whole, rtol=1e-5, atol=1e-6)
    fit = lamina.jit(layer)
    layer.reset_states()
    np.testing.assert_allclose(fit(x), whole, rtol=1e-5, atol=1e-6)
    assert not np.allclose(fit(x), whole)


def test_a_stateful_layer_has_batches_of_one_size(normal) -> None:
    with pytest.raises(BuildError, match="fixed batch size"):
        LSTM(UNITS, stateful=True).build((None, TIME, FEATURES))
    layer = LSTM(UNITS, stateful=True)
    layer(normal(BATCH, TIME, FEATURES))
    with pytest.raises(InputError, match="built for size 3 on axis -3 of its input, and got 2"):
        layer(normal(2, TIME, FEATURES))
    assert LSTM(UNITS).states is None
    LSTM(UNITS).reset_state()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"units": 0}, "units"),
        ({"units": 2, "dropout": 1.5}, "dropout"),
        ({"units": 2, "recurrent_dropout": -0.1}, "recurrent_dropout"),
        ({"units": 2, "dropout": "much"}, "dropout"),
    ],
)
@kinds
def test_options_out_of_range(kind, options, named) -> None:
    with pytest.raises(InputError, match=named):
        KINDS[kind](**options)


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
    with pytest.raises(InputError, match=r"2 states\.[^$]*received: 1 state\n"):
        LSTM(UNITS)(x, initial_state=normal(BATCH, UNITS))


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_kernels_of_cudnn_are_not_to_be_had(kind):
    x = np.ones((BATCH, TIME, FEATURES), "float32")
    for choice in ("auto", False):
        assert kind(UNITS, use_cudnn=choice)(x).shape == (BATCH, UNITS)
    with pytest.raises(InputError, match="received: use_cudnn=True"):
        kind(UNITS, use_cudnn=True)
