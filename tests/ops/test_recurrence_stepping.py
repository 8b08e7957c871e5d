"""Recurrences of any steps, of convolutions, and without a loop, against steps one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.ops.convolution import conv
from lamina.ops.recurrence import conv_lstm, gru, lstm, over_steps, simple_rnn, zero_state

few = settings(deadline=None, max_examples=4)


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype("float32")


def close(ours, theirs) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), ours, theirs)


def looped(step, sequence, state, mask, keys):
    """The last output that was alive, and the state, a step at a time for each example."""
    outputs, last = [], state["sum"]
    for t in range(sequence.shape[1]):
        output, after = step(sequence[:, t], state, None if keys is None else keys[t])
        alive = mask[:, t, None]
        last = jnp.where(alive, output, last)
        state = jax.tree.map(lambda new, old, alive=alive: jnp.where(alive, new, old), after, state)
        outputs.append(last)
    return jnp.stack(outputs, 1), state


def leaky(x, state, key):
    noise = 0 if key is None else jax.random.normal(key, x.shape)
    total = 0.5 * state["sum"] + x + noise
    return jnp.tanh(total) + state["product"], {"sum": total, "product": jnp.cos(x)}


@few
@given(*[st.integers(1, 4)] * 3, st.booleans(), st.booleans())
def test_any_steps_are_those_of_the_loop(batch, time, size, drawing, unroll) -> None:
    sequence = normal(batch, time, size)
    mask = np.random.default_rng(time).random((batch, time)) < 0.6
    start = {"product": normal(batch, size, seed=1), "sum": normal(batch, size, seed=2)}

    @jax.jit
    def both(sequence, start, mask):
        keys = jax.random.split(jax.random.key(0), time) if drawing else None

        def alone(sequence, start):
            return over_steps(leaky, sequence, start, mask, keys, unroll=unroll)

        slopes = jax.grad(lambda *given: jnp.sin(alone(*given)[0]).sum(), (0, 1))(sequence, start)
        return alone(sequence, start), looped(leaky, sequence, start, mask, keys), slopes

    (outputs, state), (expected, last), slopes = both(sequence, start, mask)
    # Before the first step that counts there is the state's first array, which sorts first.
    silent = np.cumsum(mask, 1) == 0
    expected = np.where(silent[..., None], start["product"][:, None], expected)
    close((outputs, state), (expected, last))
    assert all(np.isfinite(slope).all() for slope in jax.tree.leaves(slopes))


def test_what_is_masked_first_is_zeros_where_outputs_have_another_shape() -> None:
    mask = jnp.asarray([[False, True, False]])
    outputs, _ = over_steps(lambda x, s, _: (x[:, :1], s), jnp.ones((1, 3, 2)), jnp.ones(1), mask)
    assert outputs[0, :, 0].tolist() == [0, 1, 1]


def test_zeros_of_a_batch() -> None:
    zeros = zero_state(jnp.full((2, 3, 4), jnp.inf, "bfloat16"), (2, 5, 6), "float32")
    assert zeros.shape == (2, 5, 6) and zeros.dtype == "float32" and not zeros.any()


def convolved(mask, format_, drops, *, sequence, kernel, recurrent_kernel, bias, initial_state):
    """The equations, an image at a time; channels are on the last axis or the second."""
    h, c = initial_state
    axis = -1 if format_ == "channels_last" else 1
    outputs = []
    for t in range(sequence.shape[1]):
        x = conv(sequence[:, t] * drops[0], kernel, bias, strides=(2,), data_format=format_)
        gates = x + conv(h * drops[1], recurrent_kernel, padding="same", data_format=format_)
        i, f, n, o = jnp.split(gates, 4, axis)
        new_c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(n)
        new_h = jax.nn.sigmoid(o) * jnp.tanh(new_c)
        alive = mask[:, t, None, None]
        h, c = jnp.where(alive, new_h, h), jnp.where(alive, new_c, c)
        outputs.append(h)
    return jnp.stack(outputs, 1), (h, c)


@pytest.mark.parametrize("format_", ["channels_last", "channels_first"])
def test_a_convolutional_lstm_is_its_equations(format_) -> None:
    batch, time, rows, channels, filters = 2, 3, 7, 2, 3
    last = format_ == "channels_last"
    step = (rows, channels) if last else (channels, rows)
    state = (3, filters) if last else (filters, 3)
    operands = {
        "sequence": normal(batch, time, *step),
        "kernel": normal(3, channels, 4 * filters),
        "recurrent_kernel": normal(2, filters, 4 * filters),
        "bias": normal(4 * filters),
        "initial_state": (normal(batch, *state, seed=1), normal(batch, *state, seed=2)),
    }
    mask = np.asarray([[True, False, True], [False, True, True]])
    drops = normal(batch, *step, seed=3), normal(batch, *state, seed=4)

    def ours(operands):
        options = {"dropout": drops[0], "recurrent_dropout": drops[1], "data_format": format_}
        return conv_lstm(**operands, mask=mask, strides=(2,), **options)

    def theirs(operands):
        return convolved(mask, format_, drops, **operands)

    def loss(run):
        def total(operands):
            made = run(operands)
            return sum(jnp.sin(leaf).sum() for leaf in jax.tree.leaves(made)), made

        return jax.jit(jax.grad(total, has_aux=True))(operands)

    close(loss(ours), loss(theirs))


@pytest.mark.parametrize("go_backwards", [False, True])
def test_without_a_loop_a_run_and_its_gradients_are_the_same(go_backwards) -> None:
    x, mask = normal(2, 4, 3), np.asarray([[True, False, True, True], [True, True, True, False]])
    runs = {
        3: lambda *given, **how: gru(x, *given, mask=mask, **how),
        4: lambda *given, **how: lstm(x, *given, mask=mask, **how),
        1: lambda *given, **how: simple_rnn(x, *given, mask=mask, **how),
    }
    for gates, run in runs.items():
        weights = normal(3, 2 * gates), normal(2, 2 * gates)

        def loss(weights, unroll, run=run):
            outputs, state = run(*weights, go_backwards=go_backwards, unroll=unroll)
            return jnp.sin(outputs).sum() + sum(jnp.sum(s**2) for s in jax.tree.leaves(state))

        both = jax.jit(lambda weights: [jax.grad(loss)(weights, way) for way in (True, False)])
        close(*both(weights))
