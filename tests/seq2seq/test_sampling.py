"""Drawing texts: the right frequencies, and the options that narrow the choice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina.errors import InputError
from lamina.seq2seq import Seq2Seq, sample

SOURCE = np.asarray([[3, 1, 4, 1, 5], [5, 2, 0, 0, 0], [4, 4, 4, 0, 0]], "int32")
LOGITS = np.log(np.asarray([0.05, 0.02, 0.03, 0.5, 0.3, 0.1], "float32"))
ROWS = 4000


def draw(**options):
    """One id a row, of 4,000 rows."""

    def step(token, state):
        return jnp.tile(LOGITS, (token.shape[0], 1)), state, state

    return sample(
        step, jnp.ones((ROWS, 1)), 1, 1, jax.random.key(0), start=1, end=2, pad=0, **options
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.05, 0.02, 0.03, 0.5, 0.3, 0.1]),
        ({"top_k": 2}, [0, 0, 0, 0.625, 0.375, 0]),
        ({"top_p": 0.6}, [0, 0, 0, 0.625, 0.375, 0]),
        ({"top_p": 0.5}, [0, 0, 0, 1, 0, 0]),
        ({"top_p": 1e-6}, [0, 0, 0, 1, 0, 0]),
        ({"top_k": 99, "top_p": 1.0}, [0.05, 0.02, 0.03, 0.5, 0.3, 0.1]),
        ({"top_k": 3, "top_p": 0.8}, [0, 0, 0, 0.625, 0.375, 0]),
        ({"temperature": 0.5, "top_k": 2}, [0, 0, 0, 25 / 34, 9 / 34, 0]),
    ],
)
def test_frequencies(options, expected) -> None:
    found = draw(**options)
    tokens = np.asarray(found.tokens)[:, 0]
    counts = np.bincount(tokens, minlength=6) / ROWS
    np.testing.assert_allclose(counts, expected, atol=0.03)
    assert (counts[np.asarray(expected) == 0] == 0).all()
    np.testing.assert_allclose(found.log_probability, LOGITS[tokens], rtol=1e-4)


@pytest.fixture(scope="module")
def model() -> Seq2Seq:
    """A model that no test changes."""
    model = Seq2Seq(6, 9, embedding=4, units=8)
    model.build(SOURCE, SOURCE, seed=2)
    return model


def test_cold_or_of_one_id_it_is_greedy(model) -> None:
    expected = lamina.jit(model, method="generate")(SOURCE, 7)
    draw = lamina.jit(model, method="sample")
    for options in ({"temperature": 1e-4}, {"top_k": 1}):
        found = draw(SOURCE, 7, rng=jax.random.key(3), **options)
        np.testing.assert_array_equal(found.tokens, expected.tokens)
        np.testing.assert_allclose(found.log_probability, expected.log_probability, rtol=1e-4)


def test_the_key_decides(model) -> None:
    draw = lamina.jit(model, method="sample")
    one, same, other = (draw(SOURCE, 7, rng=jax.random.key(seed)).tokens for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (np.asarray(one) != np.asarray(other)).any()
    told = np.pad(one, ((0, 0), (1, 0)), constant_values=1)
    scored = lamina.jit(model, method="score")(SOURCE, told)
    assert np.isfinite(scored).all()


@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {"temperature": -1}, {"top_k": 0}, {"top_p": 0}, {"top_p": 1.1}]
)
def test_options_out_of_range(options) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        draw(**options)
