"""What is not a cell, what a cell may not give back, and what does not fit `RNN`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import Layer, layers
from lamina.errors import BuildError, InputError
from lamina.layers import RNN, GRUCell, LSTMCell, StackedRNNCells

BATCH, TIME, FEATURES = 3, 5, 4


def some_mask() -> jax.Array:
    return jnp.asarray(np.random.default_rng(3).random((BATCH, TIME)) < 0.6)


class Sizeless(Layer):
    def call(self, inputs, states):
        return inputs, states


class Callless(Layer):
    state_size = 3


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        (lambda x, states: (x, states), "not a layer"),
        (Sizeless(), "state_size is 'missing'"),
        (Callless(), "has no call"),
        (layers.GRU(3), "runs over time by itself"),
    ],
)
def test_what_is_not_a_cell(cell, problem) -> None:
    for make in (RNN, lambda cell: StackedRNNCells([cell])):
        with pytest.raises(InputError, match=problem):
            make(cell)


def test_sizes_of_states_that_are_not_sizes() -> None:
    cell = Sizeless()
    for size in (0, "3", [], [3, None], True):
        cell.state_size = size
        with pytest.raises(InputError, match="state_size"):
            RNN(cell)
    with pytest.raises(InputError, match="no cells"):
        RNN([])


class Forgetful(Layer):
    def __init__(self, made):
        super().__init__()
        self.state_size = [2, 3]
        self.made = made

    def call(self, inputs, states):
        return self.made(inputs, states)


@pytest.mark.parametrize(
    "made",
    [
        lambda x, states: x,
        lambda x, states: (x, states[0]),
        lambda x, states: (x, states[::-1]),
        lambda x, states: (x, states, states),
    ],
)
def test_a_cell_that_gives_other_states_than_it_got(normal, made) -> None:
    with pytest.raises(InputError, match=r"Forgetful\.call did not return an output") as caught:
        RNN(Forgetful(made))(normal(BATCH, TIME, FEATURES))
    assert "(3, 2), (3, 3)" in str(caught.value)


def test_inputs_that_do_not_fit(normal) -> None:
    layer, x = RNN([LSTMCell(2), GRUCell(3)]), normal(BATCH, TIME, FEATURES)
    layer(x)
    with pytest.raises(InputError, match="batch, time, features"):
        layer(x[0])
    with pytest.raises(InputError, match="3 states"):
        layer(x, initial_state=[x[:, 0, :2]] * 2)
    with pytest.raises(InputError, match="a state that does not match"):
        layer(x, initial_state=[x[:, 0, :2]] * 3)
    with pytest.raises(InputError, match="a mask that does not match"):
        layer(x, mask=some_mask()[:, 1:])
    with pytest.raises(InputError, match=r"cells\.0 \(LSTMCell\).* axis -1 of input 0"):
        layer(x[..., 1:])
    with pytest.raises(InputError, match="length 0"):
        layer(x[:, :0])
    with pytest.raises(BuildError, match="fixed batch size"):
        RNN(GRUCell(3), stateful=True).build((None, TIME, FEATURES))
    cell = LSTMCell(2)
    with pytest.raises(InputError, match="batch, features"):
        cell(x, cell.get_initial_state(BATCH))
    with pytest.raises(InputError, match="2 states"):
        cell(x[:, 0], x[:, 0, :2])
