"""ConvLSTM over one, two and three axes of space: Keras's numbers, state, errors."""

import jax
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import layers
from lamina.errors import BuildError, InputError
from lamina.layers import ConvLSTM1D, ConvLSTM2D

KEY = jax.random.key(0)
ALL = {"return_sequences": True, "return_state": True}
SIZES = (6, 5, 4)


def some_mask(batch: int, time: int) -> jax.Array:
    return jax.device_put(np.random.default_rng(3).random((batch, time)) < 0.6)


def both(rank, *args, **options):
    return [getattr(kind, f"ConvLSTM{rank}D")(*args, **options) for kind in (layers, keras.layers)]


@pytest.mark.parametrize(
    ("rank", "options"),
    [
        (1, {"kernel_size": 3, "go_backwards": True, **ALL}),
        (1, {"kernel_size": 2, "padding": "SAME", "strides": 2, **ALL}),
        (2, {"kernel_size": (2, 3), "use_bias": False, "return_sequences": True}),
        (2, {"kernel_size": 2, "dilation_rate": 2, "padding": "same", "activation": "relu"}),
        (3, {"kernel_size": 2}),
    ],
)
def test_equals_keras(compare, normal, rank, options) -> None:
    x = normal(2, 3, *SIZES[:rank], 2)
    compare(*both(rank, 2, **options), x)


def test_channels_first_are_the_same(normal) -> None:
    last = ConvLSTM2D(3, 2, **ALL)
    first = ConvLSTM2D(3, 2, data_format="channels_first", **ALL)
    x, mask = normal(2, 3, 6, 5, 2), some_mask(2, 3)
    turned = np.moveaxis(np.asarray(x), -1, 2)
    last.build(x)
    first.build(turned)
    first.set_values(last.values())
    outputs, h, c = map(np.asarray, last(x, mask=mask))
    expected = [np.moveaxis(outputs, -1, 2), *(np.moveaxis(state, -1, 1) for state in (h, c))]
    for one, other in zip(first(turned, mask=mask), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_masked_steps_are_skipped(normal) -> None:
    x = np.asarray(normal(1, 5, 6, 2))
    alive = np.asarray([[True, False, True, True, False]])
    layer = ConvLSTM1D(2, 3, **ALL)
    outputs, h, c = map(np.asarray, layer(x, mask=alive))
    shorter, *states = map(np.asarray, layer(x[:, [0, 2, 3]]))
    for one, other in ((h, states[0]), (c, states[1]), (outputs[:, 3], shorter[:, 2])):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(outputs[:, 1], outputs[:, 0])
    layer.zero_output_for_mask = True
    assert not np.asarray(layer(x, mask=alive)[0][:, 1]).any()
    layer.unroll = True
    np.testing.assert_allclose(layer(x, mask=alive)[1], h, rtol=1e-5, atol=1e-6)


@settings(deadline=None, max_examples=3)
@given(st.data(), *[st.integers(1, 3)] * 4)
def test_its_sizes_are_those_of_a_convolution(data, batch, time, filters, taps) -> None:
    rank = data.draw(st.integers(1, 2))
    options = {"padding": data.draw(st.sampled_from(["valid", "same"]))}
    options |= {"strides": data.draw(st.integers(1, 2))}
    x = np.ones((batch, time, *SIZES[:rank], 2), "float32")
    layer = getattr(layers, f"ConvLSTM{rank}D")(filters, taps, return_state=True, **options)
    conv = getattr(layers, f"Conv{rank}D")(filters, taps, **options)
    output, *states = layer(x)
    assert [output.shape] * 2 == [state.shape for state in states]
    assert output.shape == conv(x[:, 0]).shape
    again = layer(x, initial_state=states)[0]
    assert not np.allclose(again, output)


def test_the_state_stays_for_the_next_batch(normal) -> None:
    x = np.asarray(normal(2, 4, 5, 5, 1))
    layer = ConvLSTM2D(2, 3, padding="same", stateful=True, return_sequences=True)
    layer.build((2, None, 5, 5, 1))
    halves = np.concatenate([layer(x[:, :2]), layer(x[:, 2:])], 1)
    layer.reset_state()
    np.testing.assert_allclose(layer(x), halves, rtol=1e-5, atol=1e-6)
    with pytest.raises(BuildError, match="size of its state is unknown"):
        ConvLSTM2D(2, 3, stateful=True).build((2, None, None, 5, 1))


def test_dropout_and_the_start_of_its_gates(normal) -> None:
    x = normal(2, 3, 6, 2)
    for option in ("dropout", "recurrent_dropout"):
        layer = ConvLSTM1D(2, 3, **{option: 0.5})
        still = layer(x)
        noisy = layer(x, training=True, rng=KEY)
        assert not np.allclose(still, noisy)
        np.testing.assert_array_equal(layer(x, training=True, rng=KEY), noisy)
    assert layer.bias.value.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    layer = ConvLSTM1D(2, 3, dropout=1.0)
    dropped = layer(x, training=True, rng=KEY)
    spoilt = np.full_like(x, np.inf)
    np.testing.assert_array_equal(layer(spoilt, training=True, rng=KEY), dropped)


def test_unknown_sizes_of_space() -> None:
    layer = ConvLSTM2D(2, 3)
    layer.build((None, None, None, None, 1))
    assert layer(np.ones((2, 3, 5, 6, 1), "float32")).shape == (2, 3, 4, 2)
    with pytest.raises(InputError, match="too small"):
        layer(np.ones((2, 3, 2, 6, 1), "float32"))
    mask = np.ones((2, 3), bool)
    assert layer.compute_mask(None, mask) is None
    layer.return_sequences = layer.return_state = True
    assert layer.compute_mask(None, mask) == [mask, None, None]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"filters": 0}, "filters"),
        ({"kernel_size": 0}, "kernel_size"),
        ({"padding": "causal"}, "padding"),
        ({"strides": 2, "dilation_rate": 2}, "strides"),
        ({"dropout": 2}, "dropout"),
    ],
)
def test_options_out_of_range(options, named) -> None:
    with pytest.raises(InputError, match=named):
        ConvLSTM2D(**{"filters": 2, "kernel_size": 3} | options)


def test_inputs_that_do_not_fit(normal) -> None:
    layer, x = ConvLSTM1D(2, 3), normal(2, 3, 6, 2)
    layer(x)
    with pytest.raises(InputError, match="batch, time, rows, channels"):
        layer(x[0])
    with pytest.raises(InputError, match="too small"):
        ConvLSTM1D(2, 7)(x)
    with pytest.raises(InputError, match="2 states"):
        layer(x, initial_state=[x[:, 0]])
    with pytest.raises(InputError, match="batch, rows, filters"):
        layer(x, initial_state=[x[:, 0]] * 2)
    with pytest.raises(InputError, match="batch, time"):
        layer(x, mask=some_mask(2, 4))
    with pytest.raises(InputError, match="axis -1"):
        layer(x[..., :1])
