"""Greedy search against a loop in Python."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina.seq2seq import Seq2Seq, greedy

SOURCE = np.asarray([[3, 1, 4, 1, 5], [5, 2, 0, 0, 0], [4, 4, 4, 0, 0]], "int32")


def table(token: jax.Array, state: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The next id is one more; the attention is on the place of the state."""
    return 9 * jax.nn.one_hot(token + 1, 8), state + 1, jax.nn.one_hot(state[:, 0], 6)


def test_stops_row_by_row() -> None:
    found = greedy(table, jnp.zeros((2, 1), int), 6, 5, start=1, end=4, pad=0)
    assert found.tokens.tolist() == [[2, 3, 4, 0, 0]] * 2
    attention = np.asarray(found.attention)
    assert attention.argmax(-1)[0, :3].tolist() == [0, 1, 2]
    assert (attention[:, 3:] == 0).all()
    one = 9 - np.log(np.exp(9) + 7)
    np.testing.assert_allclose(found.log_probability, 3 * one, rtol=1e-3)


def test_a_row_without_end_is_full() -> None:
    found = greedy(table, jnp.zeros((1, 1), int), 6, 3, start=1, end=7, pad=0)
    assert found.tokens.tolist() == [[2, 3, 4]]


@pytest.fixture(scope="module")
def model() -> Seq2Seq:
    """A model that no test changes."""
    model = Seq2Seq(6, 9, embedding=4, units=8)
    model.build(SOURCE, SOURCE, seed=3)
    return model


def test_equals_asking_anew_for_each_id(model) -> None:
    found = lamina.jit(model, method="generate")(SOURCE, 7)
    ids, score = np.zeros((3, 8), "int32"), lamina.jit(model)
    ids[:, 0] = 1
    for t in range(7):
        ids[:, t + 1] = np.asarray(score(SOURCE, ids[:, :7]))[:, t].argmax(-1)
    for row, expected in zip(found.tokens.tolist(), ids[:, 1:].tolist(), strict=True):
        size = expected.index(2) + 1 if 2 in expected else 7
        assert row == expected[:size] + [0] * (7 - size)


def test_rows_do_not_meet(model) -> None:
    generate = lamina.jit(model, method="generate")
    together, alone = generate(SOURCE, 7), generate(SOURCE[1:2], 7)
    together, alone = jax.tree.map(np.asarray, (together, alone))
    assert together.tokens[1].tolist() == alone.tokens[0].tolist()
    np.testing.assert_allclose(together.attention[1], alone.attention[0], atol=1e-5)
    kept = together.tokens != 0
    np.testing.assert_allclose(together.attention.sum(-1)[kept], 1, rtol=1e-5)


def test_generate_builds_the_same_model() -> None:
    weights = []
    for enter in ("call", "generate"):
        lamina.set_seed(5)
        model = Seq2Seq(6, 9, embedding=4, units=8)
        args = (SOURCE, jnp.ones((3, 4), int)) if enter == "call" else (SOURCE, 4)
        model.build(*args, method=enter)
        weights.append(model.values())
    assert weights[0].keys() == weights[1].keys()
    for path, value in weights[0].items():
        np.testing.assert_array_equal(value, weights[1][path])
