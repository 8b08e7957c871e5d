"""The scan of the gated recurrent unit against a loop in NumPy's manner."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.ops.recurrence import gru, gru_project, gru_step

BATCH, TIME, FEATURES, UNITS = 3, 5, 4, 2


def drawn(
    batch: int = BATCH,
    time: int = TIME,
    features: int = FEATURES,
    units: int = UNITS,
    reset_after: bool = True,
) -> dict:
    rng = np.random.default_rng(0)
    normal = lambda *shape: jnp.asarray(rng.normal(size=shape), "float32")  # noqa: E731
    return {
        "sequence": normal(batch, time, features),
        "kernel": normal(features, 3 * units),
        "recurrent_kernel": normal(units, 3 * units),
        "bias": normal(2, 3 * units) if reset_after else normal(3 * units),
        "initial_state": normal(batch, units),
    }


def looped(
    sequence, kernel, recurrent_kernel, bias, initial_state, mask=None, *, reset_after=True,
    go_backwards=False, dropout=1.0, recurrent_dropout=1.0,
):  # fmt: skip
    """The equations, a step at a time."""
    h, outputs = initial_state, []
    w_z, w_r, w_h = jnp.split(kernel, 3, -1)
    u_z, u_r, u_h = jnp.split(recurrent_kernel, 3, -1)
    b_in, b_rec = bias if reset_after else (bias, jnp.zeros_like(bias))
    b_z, b_r, b_h = jnp.split(b_in, 3)
    c_z, c_r, c_h = jnp.split(b_rec, 3)
    steps = range(sequence.shape[1])
    for t in reversed(steps) if go_backwards else steps:
        x, read = sequence[:, t] * dropout, h * recurrent_dropout
        z = jax.nn.sigmoid(x @ w_z + b_z + read @ u_z + c_z)
        r = jax.nn.sigmoid(x @ w_r + b_r + read @ u_r + c_r)
        inner = r * (read @ u_h + c_h) if reset_after else (r * read) @ u_h
        new = z * h + (1 - z) * jnp.tanh(x @ w_h + b_h + inner)
        h = new if mask is None else jnp.where(mask[:, t, None], new, h)
        outputs.append(h)
    return jnp.stack(outputs, 1), h


def close(ours, theirs, **tolerance) -> None:
    same = jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, **{"rtol": 1e-4, "atol": 1e-5} | tolerance),
        ours,
        theirs,
    )
    assert jax.tree.leaves(same) == []


OPTIONS = [(True, True, True), (False, False, True)]


@pytest.mark.as_users_run
@pytest.mark.parametrize(("reset_after", "go_backwards", "masked"), OPTIONS)
def test_outputs_and_gradients_are_those_of_the_loop(
    reset_after: bool, go_backwards: bool, masked: bool
) -> None:
    operands = drawn(reset_after=reset_after)
    mask = jnp.asarray(np.random.default_rng(1).random((BATCH, TIME)) < 0.6) if masked else None
    options = {"reset_after": reset_after, "go_backwards": go_backwards}

    def loss(run, operands):
        outputs, state = run(**operands, mask=mask, **options)
        return jnp.sum(jnp.sin(outputs)) + jnp.sum(state**2), (outputs, state)

    ours = jax.jit(jax.grad(lambda given: loss(gru, given), has_aux=True))(operands)
    theirs = jax.jit(jax.grad(lambda given: loss(looped, given), has_aux=True))(operands)
    close(ours, theirs)


@pytest.mark.parametrize("reset_after", [True, False])
def test_dropout_factors(reset_after: bool) -> None:
    rng = np.random.default_rng(2)
    factors = {
        "dropout": np.float32(2) * (rng.random((BATCH, FEATURES)) < 0.5),
        "recurrent_dropout": np.float32(2) * (rng.random((BATCH, UNITS)) < 0.5),
    }
    operands = drawn(reset_after=reset_after)

    @jax.jit
    def both(given):
        return [run(**given, reset_after=reset_after) for run in (gru, looped)]

    close(*both(operands | factors))


@settings(deadline=None, max_examples=3)
@given(st.integers(1, 3), st.integers(0, 4), st.integers(1, 3), st.integers(1, 3))
def test_any_size(batch: int, time: int, features: int, units: int) -> None:
    operands = drawn(batch, time, features, units)
    outputs, state = gru(**operands)
    assert outputs.shape == (batch, time, units)
    if time == 0:
        close(state, operands["initial_state"])
    else:
        close((outputs, state), jax.jit(looped)(**operands))


def test_without_bias_and_state_they_are_zeros() -> None:
    operands = drawn()
    zeros = {name: jnp.zeros_like(operands[name]) for name in ("bias", "initial_state")}
    bare = {name: value for name, value in operands.items() if name not in zeros}
    close(gru(**bare), gru(**bare, **zeros))


def test_a_row_that_is_masked_throughout_keeps_its_state() -> None:
    operands = drawn()
    outputs, state = gru(**operands, mask=np.zeros((BATCH, TIME), bool))
    close(state, operands["initial_state"])
    close(outputs, jnp.repeat(operands["initial_state"][:, None], TIME, 1))


def test_steps_one_at_a_time_are_the_scan() -> None:
    operands = drawn()
    outputs, last = gru(**operands)
    state = operands["initial_state"]
    projected = gru_project(operands["sequence"], operands["kernel"], operands["bias"])
    for t in range(TIME):
        state = gru_step(projected[:, t], state, operands["recurrent_kernel"], operands["bias"])
        close(state, outputs[:, t])
    close(state, last)


def test_other_activations() -> None:
    operands = drawn()
    outputs, _ = gru(
        **operands, activation=jax.nn.relu, recurrent_activation=lambda x: jnp.zeros_like(x)
    )
    # With z = 0 and r = 0 the state is relu of the input's share alone.
    bias = operands["bias"][0, 2 * UNITS :]
    share = operands["sequence"] @ operands["kernel"][:, 2 * UNITS :] + bias
    close(outputs, jax.nn.relu(share))


@pytest.mark.as_users_run
def test_vmap_over_examples_is_the_batch() -> None:
    operands = drawn()
    shared = {name: operands[name] for name in ("kernel", "recurrent_kernel", "bias")}

    def one(sequence, state):
        outputs, last = gru(sequence[None], initial_state=state[None], **shared)
        return outputs[0], last[0]

    close(jax.vmap(one)(operands["sequence"], operands["initial_state"]), gru(**operands))


@pytest.mark.as_users_run
def test_half_precision() -> None:
    operands = jax.tree.map(lambda x: x.astype("bfloat16"), drawn())
    outputs, state = gru(**operands)
    assert outputs.dtype == state.dtype == "bfloat16"
    wide = gru(**jax.tree.map(lambda x: x.astype("float32"), operands))
    close(jax.tree.map(lambda x: x.astype("float32"), (outputs, state)), wide, atol=0.1)


def test_a_state_of_a_wider_dtype_widens_the_whole() -> None:
    operands = jax.tree.map(lambda x: x.astype("bfloat16"), drawn())
    operands["initial_state"] = operands["initial_state"].astype("float32")
    outputs, state = gru(**operands)
    assert outputs.dtype == state.dtype == "float32"
