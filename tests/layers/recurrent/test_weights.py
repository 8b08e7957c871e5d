"""The weights of GRU, LSTM and SimpleRNN: their shapes, and where a forget gate starts."""

import jax
import numpy as np
import pytest

import lamina
from lamina.layers import GRU, LSTM, SimpleRNN

FEATURES, UNITS = 4, 2
KINDS = {"GRU": GRU, "LSTM": LSTM, "SimpleRNN": SimpleRNN}


@pytest.mark.parametrize(
    ("kind", "gates", "bias"), [("GRU", 3, (2, 6)), ("LSTM", 4, (8,)), ("SimpleRNN", 1, (2,))]
)
def test_weights_and_defaults(kind, gates, bias) -> None:
    layer = KINDS[kind](UNITS)
    layer.build((None, None, FEATURES))
    shapes = {path: value.shape for path, value in layer.values().items()}
    assert shapes == {
        "kernel": (FEATURES, gates * UNITS),
        "recurrent_kernel": (UNITS, gates * UNITS),
        "bias": bias,
    }


def test_a_reset_before_has_one_bias() -> None:
    before = GRU(UNITS, reset_after=False)
    before.build((None, None, FEATURES))
    assert before.values()["bias"].shape == (3 * UNITS,)


@pytest.mark.parametrize(
    ("initializer", "start"),
    [("zeros", [0, 0]), ("ones", [1, 1]), (lamina.initializers.Constant(0.5), [0.5, 0.5])],
)
def test_a_forget_gate_starts_open(initializer, start) -> None:
    layer = LSTM(2, bias_initializer=initializer)
    layer.build((None, None, FEATURES))
    assert layer.bias.value.tolist() == [*start, 1, 1, *start, *start]
    shut = LSTM(2, bias_initializer=initializer, unit_forget_bias=False)
    shut.build((None, None, FEATURES))
    assert shut.bias.value.tolist() == start * 4


@pytest.mark.parametrize("initializer", ["normal", jax.nn.initializers.normal(0.05)])
def test_a_forget_gate_starts_open_among_random_biases(initializer) -> None:
    def drawn(seed):
        layer = LSTM(40, bias_initializer=initializer)
        layer.build((None, None, FEATURES), seed=seed)
        return np.asarray(layer.bias).reshape(4, 40)

    biases = drawn(0)
    np.testing.assert_array_equal(biases[1], 1)
    assert 0.01 < biases[[0, 2, 3]].std() < 0.1
    assert not np.array_equal(biases[0], biases[2])
    np.testing.assert_array_equal(drawn(0), biases)
    assert not np.array_equal(drawn(1)[0], biases[0])
