"""Recurrences in mixed precision: what they make by themselves is of the arithmetic's dtype."""

import jax
import numpy as np
import pytest

import lamina
from lamina import layers

_SEQUENCE = np.random.default_rng(5).normal(size=(2, 3, 8, 2)).astype("float32")


class Around(lamina.Layer):
    def __init__(self, inner, **options):
        super().__init__(**options)
        self.inner = inner

    def call(self, inputs):
        return self.inner(inputs)


@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.parametrize(
    ("make", "x"),
    [
        (lambda **o: layers.GRU(5, **o), _SEQUENCE[..., 0]),
        (lambda **o: layers.LSTM(5, **o), _SEQUENCE[..., 0]),
        (lambda **o: layers.SimpleRNN(5, **o), _SEQUENCE[..., 0]),
        (lambda **o: layers.RNN(layers.GRUCell(5), **o), _SEQUENCE[..., 0]),
        (lambda **o: layers.RNN([layers.LSTMCell(5), layers.GRUCell(4)], **o), _SEQUENCE[..., 0]),
        (lambda **o: layers.ConvLSTM1D(2, 3, **o), _SEQUENCE),
    ],
    ids=["GRU", "LSTM", "SimpleRNN", "RNN", "stacked", "ConvLSTM1D"],
)
def test_states_are_made_in_the_dtype_of_mixed_precision(make, x, stateful):
    whole = make(stateful=stateful)
    whole.build(x, seed=0)
    values, mixed = whole.values(), {"dtype": "mixed_bfloat16"}
    calls = 2 if stateful else 1  # the second starts from the state that the first has left
    compiled = lamina.jit(whole)
    expected = [compiled(x) for _ in range(calls)]
    for set_by in ("layer", "policy", "around"):
        try:
            lamina.set_dtype_policy("mixed_bfloat16" if set_by == "policy" else "float32")
            layer = make(stateful=stateful, **(mixed if set_by == "layer" else {}))
        finally:
            lamina.set_dtype_policy("float32")
        model = Around(layer, **mixed) if set_by == "around" else layer
        model.build(x)
        layer.set_values(values)
        compiled = lamina.jit(model)
        for wanted in expected:
            outputs = compiled(x)
            assert outputs.dtype == "bfloat16", set_by
            np.testing.assert_allclose(outputs.astype("float32"), wanted, atol=0.03)


@pytest.mark.parametrize("kind", [layers.GRUCell, layers.LSTMCell, layers.SimpleRNNCell])
def test_a_cell_of_mixed_precision_gives_its_first_state_in_that_dtype(kind):
    cell = kind(5, dtype="mixed_bfloat16")
    assert {state.dtype.name for state in cell.get_initial_state(2)} == {"bfloat16"}
    x = _SEQUENCE[..., 0]
    for cells in (cell, [cell, kind(4, dtype="mixed_bfloat16")]):
        layer = layers.RNN(cells)
        layer.build(x)
        assert jax.eval_shape(layer.apply, layer.values(), x)[0].dtype == "bfloat16"
